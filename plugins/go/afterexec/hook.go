// Package afterexec exports the hook that hears of jobs that are done.
package afterexec

import (
	"encoding/json"

	jobhost "jobhost-plugin"
	host "jobhost-plugin/internal/wit/jobhost_plugin_types"
	"jobhost-plugin/internal/wit/types"
)

var hear func(host.Job, string, host.AttemptReport) error

// Hear has the function hear of every job that is done, with its output, which is zero where there is none; call it from
// init. An error says that the hook itself is broken.
func Hear[P, O any](hook func(job *jobhost.Job[P], output O, report jobhost.AttemptReport) error) {
	hear = func(told host.Job, text string, report host.AttemptReport) (err error) {
		defer jobhost.Recovered(&err)
		job, err := jobhost.JobFromHost[P](told)
		if err != nil {
			return err
		}
		var output O
		if text != "" {
			if err := json.Unmarshal([]byte(text), &output); err != nil {
				return err
			}
		}
		return hook(job, output, jobhost.ReportFromHost(report))
	}
}

// AfterExec is what the host calls.
func AfterExec(job host.Job, output string, report host.AttemptReport) wit_types.Result[wit_types.Unit, string] {
	if err := hear(job, output, report); err != nil {
		return wit_types.Err[wit_types.Unit, string](jobhost.HookError(err))
	}
	return wit_types.Ok[wit_types.Unit, string](wit_types.Unit{})
}

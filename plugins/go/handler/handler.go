// Package handler exports the interface that runs jobs.
package handler

import (
	"encoding/json"
	"fmt"

	jobhost "jobhost-plugin"
	host "jobhost-plugin/internal/wit/jobhost_plugin_types"
	"jobhost-plugin/internal/wit/types"
)

var execute func(host.Job) (string, error)

// Run has jobs run by the function; call it from init. The output is kept with the job as JSON; nil is no output.
func Run[P, O any](run func(*jobhost.Job[P]) (O, error)) {
	execute = func(told host.Job) (text string, err error) {
		defer jobhost.Recovered(&err)
		job, err := jobhost.JobFromHost[P](told)
		if err != nil {
			return "", err
		}
		output, err := run(job)
		if err != nil {
			return "", err
		}
		written, err := json.Marshal(output)
		if err != nil {
			return "", jobhost.Permanent("invalid-output", fmt.Sprintf("the output of %s: %v", job.Name, err))
		}
		if string(written) == "null" {
			return "", nil
		}
		return string(written), nil
	}
}

// Execute is what the host calls.
func Execute(job host.Job) wit_types.Result[string, host.JobError] {
	output, err := execute(job)
	if err != nil {
		return wit_types.Err[string, host.JobError](jobhost.ErrorToHost(err))
	}
	return wit_types.Ok[string, host.JobError](output)
}

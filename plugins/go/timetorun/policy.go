// Package timetorun exports the interface that says how long an attempt of a job may take.
package timetorun

import (
	"time"

	jobhost "jobhost-plugin"
	host "jobhost-plugin/internal/wit/jobhost_plugin_types"
	"jobhost-plugin/internal/wit/types"
)

var answer func(jobhost.Draft) time.Duration

// Ask has the function say how long an attempt may take; 0 is no opinion. Call it from init.
func Ask(ask func(jobhost.Draft) time.Duration) {
	answer = ask
}

// GetTtr is what the host calls.
func GetTtr(draft host.JobDraft) wit_types.Option[uint32] {
	if ttr := answer(jobhost.DraftFromHost(draft)); ttr > 0 {
		return wit_types.Some(jobhost.WholeSeconds(ttr))
	}
	return wit_types.None[uint32]()
}

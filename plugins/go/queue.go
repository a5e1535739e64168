package jobhost

import (
	host "jobhost-plugin/internal/wit/jobhost_plugin_queue"
	"jobhost-plugin/internal/wit/jobhost_plugin_types"
)

// PushError says why a job was not pushed.
type PushError struct {
	// denied, not granted, no such queue, or not from within this function; rejected by a before-push hook; invalid, too
	// large, too many or not encodable; unavailable, the store does not answer, or this attempt has lost its lease.
	Kind string
	// For people.
	Reason string
}

func (e *PushError) Error() string {
	return e.Kind + ": " + e.Reason
}

// Push pushes a job in the same transaction that settles this attempt. A handler's pushes are stored only if the attempt is
// done; a hook's with the outcome that it heard of, a retry included. The error is a *PushError.
func Push(draft Draft) error {
	made, err := DraftToHost(draft)
	if err != nil {
		return &PushError{"invalid", err.Error()}
	}
	if result := host.Push(made); result.IsErr() {
		return pushError(result.Err())
	}
	return nil
}

// PushMany is like Push: all of them or none.
func PushMany(drafts []Draft) error {
	all := make([]jobhost_plugin_types.JobDraft, 0, len(drafts))
	for _, draft := range drafts {
		made, err := DraftToHost(draft)
		if err != nil {
			return &PushError{"invalid", err.Error()}
		}
		all = append(all, made)
	}
	if result := host.PushMany(all); result.IsErr() {
		return pushError(result.Err())
	}
	return nil
}

// PushNow stores a job at once, whatever becomes of this attempt. It returns its id: then it is stored once. An error of the
// kind unavailable leaves open whether it is; a further call is another job. So push one that may run twice, or use Push.
func PushNow(draft Draft) (string, error) {
	made, err := DraftToHost(draft)
	if err != nil {
		return "", &PushError{"invalid", err.Error()}
	}
	result := host.PushNow(made)
	if result.IsErr() {
		return "", pushError(result.Err())
	}
	return result.Ok(), nil
}

func pushError(err host.PushError) error {
	switch err.Tag() {
	case host.PushErrorDenied:
		return &PushError{"denied", err.Denied()}
	case host.PushErrorRejected:
		return &PushError{"rejected", err.Rejected()}
	case host.PushErrorInvalid:
		return &PushError{"invalid", err.Invalid()}
	}
	return &PushError{"unavailable", err.Unavailable()}
}

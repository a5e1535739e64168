package jobhost

import (
	"encoding/json"
	"fmt"
	"time"

	"jobhost-plugin/internal/wit/jobhost_plugin_types"
	"jobhost-plugin/internal/wit/types"
)

// Job is a job that has been reserved for this attempt, with its payload as P.
type Job[P any] struct {
	// Unique within its queue.
	ID string
	// Unique everywhere and the same for every attempt: an idempotency key.
	Key string
	// The queue's configured name.
	Queue string
	// The class of the stored message.
	Name string
	// What the job's pusher wrote. Fields that P does not have are ignored.
	Payload P
	// 1 for the first attempt.
	Attempt uint32
	// The queue's limit; 0: decided by the retry policy or a hook alone.
	MaxAttempts uint32
	// How long this attempt may take.
	TTR time.Duration
	// When it was pushed; zero where the pusher left no time (a PHP program).
	PushedAt time.Time
	// Names and values kept beside the payload.
	Metadata map[string]string
}

// Draft is a job that is not stored yet.
type Draft struct {
	// The queue's configured name.
	Queue string
	// What to run.
	Name string
	// What encoding/json makes an object of; nil is {}.
	Payload any
	// How long it waits first, in whole milliseconds.
	Delay time.Duration
	// How long an attempt may take, in whole seconds; 0: the handler's time-to-run, else the queue's.
	TTR time.Duration
	// At most 4 KiB. Names that begin with "jobhost." are the host's.
	Metadata map[string]string
}

// JobFromHost reads the payload; the error is permanent. It is for the packages of this module.
func JobFromHost[P any](job jobhost_plugin_types.Job) (*Job[P], error) {
	read := &Job[P]{
		ID:          job.Id,
		Key:         job.Key,
		Queue:       job.Queue,
		Name:        job.Name,
		Attempt:     job.Attempt,
		MaxAttempts: job.MaxAttempts.SomeOr(0),
		TTR:         time.Duration(job.Ttr) * time.Second,
		Metadata:    named(job.Metadata),
	}
	if job.PushedAt.IsSome() {
		read.PushedAt = time.UnixMilli(int64(job.PushedAt.Some()))
	}
	if err := json.Unmarshal([]byte(job.Payload), &read.Payload); err != nil {
		return nil, Permanent("invalid-payload", fmt.Sprintf("the payload of %s: %v", job.Name, err))
	}
	return read, nil
}

// DraftToHost is for the packages of this module.
func DraftToHost(draft Draft) (jobhost_plugin_types.JobDraft, error) {
	payload := []byte("{}")
	if draft.Payload != nil {
		var err error
		if payload, err = json.Marshal(draft.Payload); err != nil {
			return jobhost_plugin_types.JobDraft{}, fmt.Errorf("the payload of %s: %w", draft.Name, err)
		}
	}
	if payload[0] != '{' {
		err := fmt.Errorf("the payload of %s must be a JSON object, not %.40s", draft.Name, payload)
		return jobhost_plugin_types.JobDraft{}, err
	}
	made := jobhost_plugin_types.JobDraft{
		Queue:    WellFormed(draft.Queue),
		Name:     WellFormed(draft.Name),
		Payload:  string(payload),
		Delay:    wit_types.None[uint64](),
		Ttr:      wit_types.None[uint32](),
		Metadata: pairs(draft.Metadata),
	}
	if draft.Delay > 0 {
		made.Delay = wit_types.Some(Milliseconds(draft.Delay))
	}
	if draft.TTR > 0 {
		made.Ttr = wit_types.Some(WholeSeconds(draft.TTR))
	}
	return made, nil
}

// DraftFromHost is for the packages of this module.
func DraftFromHost(draft jobhost_plugin_types.JobDraft) Draft {
	payload := draft.Payload
	if payload == "" {
		payload = "{}"
	}
	return Draft{
		Queue:    draft.Queue,
		Name:     draft.Name,
		Payload:  json.RawMessage(payload),
		Delay:    fromMilliseconds(draft.Delay.SomeOr(0)),
		TTR:      time.Duration(draft.Ttr.SomeOr(0)) * time.Second,
		Metadata: named(draft.Metadata),
	}
}

// WholeSeconds are rounded up, at least 1, as the host keeps them. It is for the packages of this module.
func WholeSeconds(d time.Duration) uint32 {
	whole := d / time.Second
	if d%time.Second > 0 {
		whole++
	}
	return uint32(min(max(whole, 1), 1<<32-1))
}

// Milliseconds are whole and none where the time is negative. It is for the packages of this module.
func Milliseconds(d time.Duration) uint64 {
	return uint64(max(d.Milliseconds(), 0))
}

// fromMilliseconds is the longest there is for a longer one.
func fromMilliseconds(whole uint64) time.Duration {
	const most = uint64(1<<63-1) / uint64(time.Millisecond)
	return time.Duration(min(whole, most)) * time.Millisecond
}

func pairs(named map[string]string) []wit_types.Tuple2[string, string] {
	made := make([]wit_types.Tuple2[string, string], 0, len(named))
	for name, value := range named {
		made = append(made, wit_types.Tuple2[string, string]{F0: WellFormed(name), F1: WellFormed(value)})
	}
	return made
}

func named(pairs []wit_types.Tuple2[string, string]) map[string]string {
	made := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		made[pair.F0] = pair.F1
	}
	return made
}

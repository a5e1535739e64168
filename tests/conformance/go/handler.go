package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand"
	"os"
	"time"

	jobhost "jobhost-plugin"
	"jobhost-plugin/aftererror"
	"jobhost-plugin/afterexec"
	"jobhost-plugin/beforeexec"
	"jobhost-plugin/beforepush"
	"jobhost-plugin/handler"
	"jobhost-plugin/retrypolicy"
	"jobhost-plugin/timetorun"
)

const aWhile = 1500 * time.Millisecond

type payload struct {
	Do   string `json:"do"`
	Text string `json:"text"`
	// Of no job.
	Absent *payload
}

type object = map[string]any

func init() {
	handler.Run(run)
	timetorun.Ask(ttr)
	retrypolicy.Ask(policy)
	beforepush.Hear(check)
	beforeexec.Hear(begin)
	afterexec.Hear(done)
	aftererror.Hear(failed)
}

func run(job *jobhost.Job[payload]) (any, error) {
	switch job.Payload.Do {
	case "echo":
		return object{"text": job.Payload.Text}, nil
	case "temporary":
		return nil, jobhost.Temporary("busy", "later, perhaps")
	case "permanent":
		return nil, fmt.Errorf("wrapped: %w", jobhost.Permanent("never", "nobody can").Detail("path", "a.b"))
	case "retry-after":
		return nil, jobhost.RetryAfter(aWhile, "429", "too many")
	case "uncaught":
		return job.Payload.Absent.Text, nil
	case "progress":
		jobhost.Progress(1, 0, "begun")
		jobhost.Progress(2, 3, "näher")
	case "logs":
		slog.Debug("a")
		slog.Info("b 🦀")
		slog.Warn("c")
		slog.Error("d")
	case "print":
		fmt.Println("to stdout 🦀")
		fmt.Fprintln(os.Stderr, "to stderr")
	case "push":
		first := jobhost.Draft{Queue: "follow-up", Name: "first", Payload: object{"text": "ü"}}
		first.Delay, first.TTR, first.Metadata = aWhile, 2500*time.Millisecond, map[string]string{"tenant": "7"}
		if err := jobhost.Push(first); err != nil {
			return nil, err
		}
		id, err := jobhost.PushNow(jobhost.Draft{Queue: "follow-up", Name: "second"})
		return object{"id": id}, err
	case "refused-push":
		var refused *jobhost.PushError
		if errors.As(jobhost.Push(jobhost.Draft{Queue: "follow-up", Name: "first"}), &refused) {
			return object{"refused": refused.Kind}, nil
		}
	case "loop":
		for {
		}
	case "fill-memory":
		var kept [][]byte
		for {
			kept = append(kept, make([]byte, 1<<20))
		}
	case "random":
		return object{"numbers": []float64{rand.Float64(), rand.Float64()}, "id": fmt.Sprint(rand.Int63())}, nil
	case "job":
		return object{
			"id":        job.ID,
			"key":       job.Key,
			"name":      job.Name,
			"attempt":   job.Attempt,
			"of":        job.MaxAttempts,
			"ttr":       job.TTR.Seconds(),
			"tenant":    job.Metadata["tenant"],
			"remaining": jobhost.Remaining() > 0,
		}, nil
	}
	return nil, nil
}

func ttr(draft jobhost.Draft) time.Duration {
	if what(draft.Payload.(json.RawMessage)) == "take-long" {
		return 89500 * time.Millisecond
	}
	return 0
}

// what the job is to do; nothing where its payload says nothing.
func what(text json.RawMessage) string {
	var read payload
	if json.Unmarshal(text, &read) != nil {
		return ""
	}
	return read.Do
}

func policy(_ *jobhost.Job[json.RawMessage], cause jobhost.FailureCause) jobhost.RetryDecision {
	switch {
	case cause.Code == "busy":
		return jobhost.Again(aWhile)
	case cause.Kind == "timed-out":
		return jobhost.GiveUp(cause.Kind)
	}
	return jobhost.Unchanged()
}

func check(draft jobhost.Draft) (beforepush.Decision, error) {
	switch what(draft.Payload.(json.RawMessage)) {
	case "reject":
		return beforepush.Reject("nichts für uns"), nil
	case "replace":
		draft.Name, draft.Payload = "other", object{"text": "ü"}
		return beforepush.Replace(draft), nil
	}
	return beforepush.Accept(), nil
}

func begin(job *jobhost.Job[json.RawMessage]) (beforeexec.Decision, error) {
	switch what(job.Payload) {
	case "skip":
		return beforeexec.Skip("nichts für uns"), nil
	case "postpone":
		return beforeexec.Postpone(aWhile), nil
	case "fail":
		failure := jobhost.Failure{Code: "never", Message: "nobody can", Details: map[string]string{"path": "a.b"}}
		return beforeexec.Fail(failure), nil
	}
	return beforeexec.Proceed(), nil
}

func done(_ *jobhost.Job[json.RawMessage], output payload, _ jobhost.AttemptReport) error {
	if output.Text == "" {
		return errors.New("the output has no text")
	}
	return jobhost.Push(jobhost.Draft{Queue: "follow-up", Name: "heard", Payload: object{"text": output.Text}})
}

func failed(
	_ *jobhost.Job[json.RawMessage],
	cause jobhost.FailureCause,
	_ jobhost.RetryDecision,
	_ jobhost.AttemptReport,
) (jobhost.RetryDecision, error) {
	slog.Warn(cause.Code + ": " + cause.Message)
	return jobhost.Again(aWhile), nil
}

func main() {}

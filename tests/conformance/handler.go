package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand"
	"time"

	jobhost "jobhost-plugin"
	"jobhost-plugin/handler"
)

type payload struct {
	Do   string `json:"do"`
	Text string `json:"text"`
	// Of no job.
	Absent *payload
}

type object = map[string]any

func init() {
	handler.Run(run)
}

func run(job *jobhost.Job[payload]) (any, error) {
	switch job.Payload.Do {
	case "echo":
		return object{"text": job.Payload.Text}, nil
	case "length":
		return object{"length": len(job.Payload.Text)}, nil
	case "temporary":
		return nil, jobhost.Temporary("busy", "later, perhaps")
	case "permanent":
		return nil, fmt.Errorf("wrapped: %w", jobhost.Permanent("never", "nobody can").Detail("path", "a.b"))
	case "retry-after":
		return nil, jobhost.RetryAfter(1500*time.Millisecond, "429", "too many")
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
	case "push":
		first := jobhost.Draft{Queue: "follow-up", Name: "first", Payload: object{"text": "ü"}}
		first.Delay, first.TTR, first.Metadata = 1500*time.Millisecond, 2500*time.Millisecond, map[string]string{"tenant": "7"}
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

func main() {}

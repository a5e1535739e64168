// Greets people: a job handler to change into your own.
package main

import (
	"fmt"
	"log/slog"

	jobhost "jobhost-plugin"
	"jobhost-plugin/handler"
)

// Greet is the payload: the JSON with which the job was pushed.
type Greet struct {
	Name           string `json:"name"`
	ReadyAtAttempt uint32 `json:"ready_at_attempt"`
}

// Greeting is the output: JSON that is kept with the job.
type Greeting struct {
	Text    string `json:"text"`
	Attempt uint32 `json:"attempt"`
}

// Announce is the payload of the follow-up job.
type Announce struct {
	Text string `json:"text"`
}

func init() {
	handler.Run(greet)
}

func greet(job *jobhost.Job[Greet]) (Greeting, error) {
	name, readyAtAttempt := job.Payload.Name, job.Payload.ReadyAtAttempt
	if name == "" {
		// It will be no better next time.
		return Greeting{}, jobhost.Permanent("no-name", "nobody to greet")
	}
	if job.Attempt < readyAtAttempt {
		// It may be next time. Any other error says the same.
		message := fmt.Sprintf("there is no greeting before attempt %d", readyAtAttempt)
		return Greeting{}, jobhost.Temporary("not-ready", message)
	}
	slog.Info("greeting " + name)
	jobhost.Progress(1, 2, "greeting")
	text := fmt.Sprintf("Hello, %s!", name)
	// Stored when this job is done, or not at all.
	if err := jobhost.Push(jobhost.Draft{Queue: "follow-up", Name: "announce", Payload: Announce{text}}); err != nil {
		return Greeting{}, err
	}
	jobhost.Progress(2, 2, "announced")
	return Greeting{text, job.Attempt}, nil
}

// Nothing runs but what the host calls.
func main() {}

package main

import (
	"os"

	jobhost "jobhost-plugin"
	"jobhost-plugin/handler"
	"jobhost-plugin/http"
)

type Fetch struct {
	URL string `json:"url"`
}

type Fetched struct {
	Text string `json:"text"`
}

func init() {
	handler.Run(fetch)
}

func fetch(job *jobhost.Job[Fetch]) (Fetched, error) {
	answer, err := http.Get(job.Payload.URL)
	if err != nil {
		return Fetched{}, err
	}
	text, err := os.ReadFile("/data/in.txt")
	if err != nil {
		return Fetched{}, err
	}
	return Fetched{string(answer.Body) + string(text)}, nil
}

func main() {}

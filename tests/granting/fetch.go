package main

import (
	"fmt"
	nethttp "net/http"
	"os"

	jobhost "jobhost-plugin"
	"jobhost-plugin/handler"
	"jobhost-plugin/http"
	_ "jobhost-plugin/nethttp"
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
	head, err := nethttp.Head(job.Payload.URL)
	if err != nil {
		return Fetched{}, err
	}
	if head.ContentLength != int64(len(answer.Body)) {
		return Fetched{}, fmt.Errorf("HEAD tells of %d bytes", head.ContentLength)
	}
	text, err := os.ReadFile("/data/in.txt")
	if err != nil {
		return Fetched{}, err
	}
	return Fetched{string(answer.Body) + string(text)}, nil
}

func main() {}

// Package http sends requests over HTTP, as a plugin has no sockets:
//
//	answer, err := http.Get("https://api.example.com/v1/pictures/7")
//
// The operator has to grant where they go: http = ["https://api.example.com/v1/"]. For what wants a client of net/http there is
// the package nethttp, which makes a plugin more than twice as large.
package http

import (
	"strings"
	"time"

	jobhost "jobhost-plugin"
	host "jobhost-plugin/internal/wit/jobhost_plugin_http"
	"jobhost-plugin/internal/wit/types"
)

// Request is a request that is to be sent.
type Request struct {
	// Default: GET.
	Method string
	// Such as https://api.example.com/v1/
	URL string
	// The length of the body and what is the connection's, such as Host, are the host's.
	Headers []Header
	Body    []byte
	// For a connection, for the first byte of the answer, and between bytes. 0 is the time to run, and 10 s for a connection.
	Timeout time.Duration
}

// Header is a header of a request or an answer.
type Header struct {
	Name  string
	Value string
}

// Response is what a server answered, whatever the status. A redirect is an answer, too: nobody follows it.
type Response struct {
	// Such as 200.
	Status int
	// Names are in lower case; one may be there several times.
	Headers []Header
	// All of it.
	Body []byte
}

// Header returns the first header of this name; it is empty where there is none.
func (r *Response) Header(name string) string {
	for _, header := range r.Headers {
		if strings.EqualFold(header.Name, name) {
			return header.Value
		}
	}
	return ""
}

// Get sends a request to read.
func Get(url string) (*Response, error) {
	return Send(Request{URL: url})
}

// Send sends a request and waits for the whole answer. The error is a *jobhost.JobError: permanent, http-denied, where it is not
// granted or passes a limit of the host, whose log says what would allow it; permanent, http-invalid, where it cannot be sent;
// temporary, http-failed, where there is no answer.
func Send(request Request) (*Response, error) {
	made := host.Request{
		Method:  strings.ToUpper(jobhost.WellFormed(request.Method)),
		Url:     jobhost.WellFormed(request.URL),
		Body:    request.Body,
		Timeout: wit_types.None[uint64](),
	}
	if made.Method == "" {
		made.Method = "GET"
	}
	for _, header := range request.Headers {
		pair := wit_types.Tuple2[string, string]{F0: jobhost.WellFormed(header.Name), F1: jobhost.WellFormed(header.Value)}
		made.Headers = append(made.Headers, pair)
	}
	if request.Timeout > 0 {
		made.Timeout = wit_types.Some(jobhost.Milliseconds(request.Timeout))
	}
	result := host.Send(made)
	if result.IsErr() {
		return nil, failure(made, result.Err())
	}
	answer := result.Ok()
	response := Response{Status: int(answer.Status), Body: answer.Body}
	for _, header := range answer.Headers {
		response.Headers = append(response.Headers, Header{header.F0, header.F1})
	}
	return &response, nil
}

func failure(request host.Request, err host.HttpError) error {
	// Without the query, which may hold what is not for everybody.
	url, _, _ := strings.Cut(request.Url, "?")
	url, _, _ = strings.Cut(url, "#")
	name := request.Method + " " + url
	switch err.Tag() {
	case host.HttpErrorInvalid:
		return jobhost.Permanent("http-invalid", name+" cannot be sent: "+err.Invalid())
	case host.HttpErrorDenied:
		return jobhost.Permanent("http-denied", name+": "+err.Denied()+"; the host's log says what would allow it")
	}
	return jobhost.Temporary("http-failed", name+": request failed: "+err.Failed())
}

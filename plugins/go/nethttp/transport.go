// Package nethttp lets clients of net/http send requests. Import it for its effect:
//
//	import (
//		"net/http"
//
//		_ "jobhost-plugin/nethttp"
//	)
//
//	answer, err := http.Get("https://api.example.com/v1/pictures/7")
//
// They need the same grant as those of the package http of this module. The bodies of a request and of its answer are in memory as
// a whole.
package nethttp

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	own "jobhost-plugin/http"
)

// Transport sends requests through the host. It is the http.DefaultTransport of a plugin that imports this package. Its errors are
// those of Send of the package http. The deadline of a request's context is its timeout.
type Transport struct{}

func init() {
	http.DefaultTransport = Transport{}
}

// RoundTrip is http.RoundTripper's.
func (Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	made := own.Request{Method: request.Method, URL: request.URL.String()}
	for name, values := range request.Header {
		if name == "Content-Length" {
			continue
		}
		for _, value := range values {
			made.Headers = append(made.Headers, own.Header{Name: name, Value: value})
		}
	}
	if deadline, ok := request.Context().Deadline(); ok {
		// At least as much as can be told.
		made.Timeout = max(time.Until(deadline), time.Millisecond)
	}
	if request.Body != nil {
		body, err := io.ReadAll(request.Body)
		request.Body.Close()
		if err != nil {
			return nil, err
		}
		made.Body = body
	}
	answer, err := own.Send(made)
	if err != nil {
		return nil, err
	}
	headers := http.Header{}
	for _, header := range answer.Headers {
		headers.Add(header.Name, header.Value)
	}
	length := int64(len(answer.Body))
	if told, err := strconv.ParseInt(headers.Get("Content-Length"), 10, 64); err == nil && request.Method == http.MethodHead {
		length = told
	}
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", answer.Status, http.StatusText(answer.Status)),
		StatusCode:    answer.Status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        headers,
		Body:          io.NopCloser(bytes.NewReader(answer.Body)),
		ContentLength: length,
		Request:       request,
	}, nil
}

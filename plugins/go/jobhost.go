// Package jobhost is for plugins of jobhost in Go. A plugin hands a function to the package of each interface that its
// wit/world.wit exports: handler, timetorun, retrypolicy, beforepush, beforeexec, afterexec and aftererror. A plugin exports what
// it imports of these.
//
//	func init() { handler.Run(resize) }
//
//	func resize(job *jobhost.Job[Resize]) (Resized, error) {
//		if job.Payload.Width == 0 {
//			return Resized{}, jobhost.Permanent("no-width", "an image cannot be 0 pixels wide")
//		}
//		jobhost.Progress(1, 2, "read")
//		return Resized{Path: job.ID + ".png"}, nil
//	}
//
// The packages http, nethttp, config and keyvalue are for what a plugin is granted; the files of a granted folder are for os.
//
// The default logger of log/slog, and of log, writes to the job's log.
package jobhost

import (
	"context"
	"log/slog"
	"strings"
	"time"

	host "jobhost-plugin/internal/wit/jobhost_plugin_context"
	"jobhost-plugin/internal/wit/types"
)

// Remaining is the time left before the host interrupts this call. While the host stops it shrinks to what is left of the
// grace period.
func Remaining() time.Duration {
	return fromMilliseconds(host.Remaining())
}

// Progress shows how far the job is; a total of 0 is not known.
func Progress(done, total uint32, note string) {
	all := wit_types.None[uint32]()
	if total > 0 {
		all = wit_types.Some(total)
	}
	host.Progress(done, all, WellFormed(note))
}

func init() {
	slog.SetDefault(slog.New(jobLog{}))
}

// jobLog writes records to the job's log. The host has levels of its own, and the time.
type jobLog struct {
	group string
	more  string
}

func (jobLog) Enabled(context.Context, slog.Level) bool { return true }

func (l jobLog) Handle(_ context.Context, record slog.Record) error {
	line := strings.Builder{}
	line.WriteString(record.Message)
	line.WriteString(l.more)
	record.Attrs(func(attribute slog.Attr) bool {
		line.WriteString(l.text(attribute))
		return true
	})
	host.Log(level(record.Level), WellFormed(line.String()))
	return nil
}

func (l jobLog) WithAttrs(attributes []slog.Attr) slog.Handler {
	for _, attribute := range attributes {
		l.more += l.text(attribute)
	}
	return l
}

func (l jobLog) WithGroup(name string) slog.Handler {
	l.group += name + "."
	return l
}

func (l jobLog) text(attribute slog.Attr) string {
	return " " + l.group + attribute.String()
}

func level(of slog.Level) host.Level {
	switch {
	case of >= slog.LevelError:
		return host.LevelError
	case of >= slog.LevelWarn:
		return host.LevelWarn
	case of >= slog.LevelInfo:
		return host.LevelInfo
	case of >= slog.LevelDebug:
		return host.LevelDebug
	}
	return host.LevelTrace
}

// WellFormed is the text as the host takes it. It is for the packages of this module.
func WellFormed(text string) string {
	return strings.ToValidUTF8(text, "\uFFFD")
}

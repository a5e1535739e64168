// Command receipt writes the receipt of an order.
package main

import (
	"fmt"
	"log/slog"
	"os"

	jobhost "jobhost-plugin"
	"jobhost-plugin/handler"
)

// Order is the payload. What is no such JSON is a permanent error, invalid-payload, before the handler is called; what is
// absent is zero.
type Order struct {
	Order string `json:"order"`
	Lines []Line `json:"lines"`
}

// Line is a part of the payload.
type Line struct {
	Item     string `json:"item"`
	Quantity uint32 `json:"quantity"`
	Cents    uint32 `json:"cents"`
}

// Receipt is the output: JSON that is kept with the job.
type Receipt struct {
	Order  string `json:"order"`
	Pieces uint32 `json:"pieces"`
	Cents  uint32 `json:"cents"`
}

// Mail is the payload of the follow-up job.
type Mail struct {
	Order string `json:"order"`
	Text  string `json:"text"`
}

const (
	mostLines  = 100
	mostPieces = 100
	// The sum of the largest order still fits.
	mostCents = 100_000
)

func init() {
	handler.Run(receipt)
}

func receipt(job *jobhost.Job[Order]) (Receipt, error) {
	order, lines := job.Payload.Order, job.Payload.Lines
	if err := check(order, lines); err != nil {
		// It will be no better at another attempt.
		return Receipt{}, jobhost.Permanent("bad-order", err.Error())
	}
	shop, granted := os.LookupEnv("SHOP")
	if !granted {
		// Granted in jobhost.toml. Without it the job is tried again: by then the operator may have granted it.
		return Receipt{}, jobhost.Temporary("no-shop", "no variable SHOP is granted")
	}
	slog.Info(fmt.Sprintf("%s: %d lines", order, len(lines)))
	var pieces, cents uint32
	for i, line := range lines {
		pieces += line.Quantity
		cents += line.Quantity * line.Cents
		// Shown by `jobhost status`.
		jobhost.Progress(uint32(i+1), uint32(len(lines)), line.Item)
	}
	text := fmt.Sprintf("%s: order %s, %d pieces, %d.%02d", shop, order, pieces, cents/100, cents%100)
	// Stored when this job is done, or not at all.
	mail := jobhost.Draft{Queue: "mail", Name: "send-receipt", Payload: Mail{order, text}}
	if err := jobhost.Push(mail); err != nil {
		return Receipt{}, err
	}
	return Receipt{order, pieces, cents}, nil
}

// check says why there can be no receipt.
func check(order string, lines []Line) error {
	if order == "" {
		return fmt.Errorf("an order has a number")
	}
	if len(lines) < 1 || len(lines) > mostLines {
		return fmt.Errorf("an order has 1 to %d lines", mostLines)
	}
	for _, line := range lines {
		if line.Quantity < 1 || line.Quantity > mostPieces {
			return fmt.Errorf("%s: a quantity goes from 1 to %d", line.Item, mostPieces)
		}
		if line.Cents > mostCents {
			return fmt.Errorf("%s: a price is at most %d cents", line.Item, mostCents)
		}
	}
	return nil
}

// Nothing runs but what the host calls.
func main() {}

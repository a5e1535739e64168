package main

import (
	"errors"

	jobhost "jobhost-plugin"
	"jobhost-plugin/config"
	"jobhost-plugin/handler"
	"jobhost-plugin/keyvalue"
)

type Person struct {
	Name string `json:"name"`
}

type Count struct {
	Number int `json:"number"`
}

type Kept struct {
	Greeting string            `json:"greeting"`
	Absent   *string           `json:"absent"`
	Settings map[string]string `json:"settings"`
	Names    []string          `json:"names"`
	Same     Count             `json:"same"`
	Sum      int64             `json:"sum"`
	Count    Count             `json:"count"`
	Was      bool              `json:"was"`
	Gone     *string           `json:"gone"`
	Half     [2]*string        `json:"half"`
	Keys     []string          `json:"keys"`
	Denied   string            `json:"denied"`
}

func init() {
	handler.Run(keep)
}

func keep(job *jobhost.Job[Person]) (kept Kept, err error) {
	bucket, err := keyvalue.Open("tasks")
	if err != nil {
		return kept, err
	}
	var gone string
	_, denied := keyvalue.Open("others")
	var refused *jobhost.JobError
	if errors.As(denied, &refused) {
		kept.Denied = refused.Failure.Code
	}
	if err = bucket.Set("count", Count{7}); err != nil {
		return kept, err
	}
	if err = bucket.Set("gone", "é\xed"); err != nil {
		return kept, err
	}
	if kept.Was, err = bucket.Get("gone", &gone); err != nil {
		return kept, err
	}
	if err = bucket.Delete("gone"); err != nil {
		return kept, err
	}
	if found, err := bucket.Get("gone", &gone); err != nil || found {
		kept.Gone = &gone
	}
	if half, found, err := config.Get("\xed"); err != nil || found {
		kept.Half[0] = &half
	}
	if found, err := bucket.Get("\xed", &gone); err != nil || found {
		kept.Half[1] = &gone
	}
	if kept.Greeting, err = config.Required("greeting"); err != nil {
		return kept, err
	}
	if absent, found, err := config.Get("absent"); err != nil || found {
		kept.Absent = &absent
	}
	if kept.Settings, err = config.All(); err != nil {
		return kept, err
	}
	kept.Names, err = keyvalue.Update(bucket, "names", func(names *[]string) ([]string, error) {
		if names == nil {
			return []string{job.Payload.Name}, nil
		}
		return append(*names, job.Payload.Name), nil
	})
	if err != nil {
		return kept, err
	}
	kept.Same, err = keyvalue.Update(bucket, "count", func(count *Count) (Count, error) { return *count, nil })
	if err != nil {
		return kept, err
	}
	if kept.Sum, err = bucket.Increment("sum", -(1 << 40)); err != nil {
		return kept, err
	}
	if _, err = bucket.Get("count", &kept.Count); err != nil {
		return kept, err
	}
	kept.Keys, err = bucket.Keys()
	return kept, err
}

func main() {}

// Package keyvalue keeps values in the job store, beside the queues. They are JSON.
//
//	bucket, err := keyvalue.Open("tasks")
//	names, err := keyvalue.Update(bucket, "names", func(names *[]string) ([]string, error) { … })
//	sum, err := bucket.Increment("changes", 1)
//
// The operator has to grant the bucket: keyvalue = [{ bucket = "tasks", mode = "rw" }]. A change is made at once, whatever
// becomes of the attempt, as long as the attempt holds its job: an attempt that comes after one that was lost finds what that
// one wrote.
package keyvalue

import (
	"bytes"
	"encoding/json"
	"fmt"

	jobhost "jobhost-plugin"
	"jobhost-plugin/internal/wit/types"
	atomics "jobhost-plugin/internal/wit/wasi_keyvalue_atomics"
	host "jobhost-plugin/internal/wit/wasi_keyvalue_store"
)

// Bucket is a bucket of the job store. Its errors are *jobhost.JobError: permanent, keyvalue-denied, where it is not granted, or
// only its reading; temporary, keyvalue-failed, where the store does not answer, the attempt has lost its job, or a limit is
// reached. The host's log says what a refusal would take.
type Bucket struct {
	name   string
	handle *host.Bucket
}

// Open opens the bucket that the operator has granted by this name.
func Open(name string) (*Bucket, error) {
	bucket := &Bucket{name: name}
	result := host.Open(jobhost.WellFormed(name))
	if result.IsErr() {
		return nil, bucket.failure(result.Err())
	}
	bucket.handle = result.Ok()
	return bucket, nil
}

// Get reads the value at a key into what value points to, and says whether there was one.
func (b *Bucket) Get(key string, value any) (bool, error) {
	result := b.handle.Get(jobhost.WellFormed(key))
	if result.IsErr() {
		return false, b.failure(result.Err())
	}
	found := result.Ok()
	if found.IsNone() {
		return false, nil
	}
	return true, read(key, found.Some(), value)
}

// Set stores a value, in the place of any that is there.
func (b *Bucket) Set(key string, value any) error {
	written, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("the value for `%s` is no JSON: %w", key, err)
	}
	return b.done(b.handle.Set(jobhost.WellFormed(key), written))
}

// Delete drops a key, if it is there.
func (b *Bucket) Delete(key string) error {
	return b.done(b.handle.Delete(jobhost.WellFormed(key)))
}

// Keys returns all keys, in the order of their bytes. Each counts against the limit bucket-keys.
func (b *Bucket) Keys() ([]string, error) {
	var keys []string
	cursor := wit_types.None[string]()
	for {
		result := b.handle.ListKeys(cursor)
		if result.IsErr() {
			return nil, b.failure(result.Err())
		}
		page := result.Ok()
		keys = append(keys, page.Keys...)
		if page.Cursor.IsNone() {
			return keys, nil
		}
		cursor = page.Cursor
	}
}

// Increment adds to the whole number at a key, which is 0 where nothing is, in one step, and returns the sum. An attempt that is
// repeated adds again; where that must not be, let Update keep who was counted.
func (b *Bucket) Increment(key string, by int64) (int64, error) {
	result := atomics.Increment(b.handle, jobhost.WellFormed(key), by)
	if result.IsErr() {
		return 0, b.failure(result.Err())
	}
	return result.Ok(), nil
}

// Update changes the value at a key to what change makes of it, in one step, and returns what is there now. The value is nil
// where nothing is. Where somebody else has changed it meanwhile, change is asked again, about the newer one. A value that stays
// the same is not written, and neither is anything if change fails.
func Update[T any](b *Bucket, key string, change func(*T) (T, error)) (T, error) {
	var none T
	opened := atomics.CasNew(b.handle, jobhost.WellFormed(key))
	if opened.IsErr() {
		return none, b.failure(opened.Err())
	}
	for cas := opened.Ok(); ; {
		current := cas.Current()
		if current.IsErr() {
			return none, b.failure(current.Err())
		}
		var before []byte
		var value *T
		if found := current.Ok(); found.IsSome() {
			before, value = found.Some(), new(T)
			if err := read(key, before, value); err != nil {
				return none, err
			}
		}
		changed, err := change(value)
		if err != nil {
			return none, err
		}
		after, err := json.Marshal(changed)
		if err != nil {
			return none, fmt.Errorf("the value for `%s` is no JSON: %w", key, err)
		}
		if value != nil && bytes.Equal(before, after) {
			return changed, nil
		}
		swapped := atomics.Swap(cas, after)
		if swapped.IsOk() {
			return changed, nil
		}
		lost := swapped.Err()
		if lost.Tag() != atomics.CasErrorCasFailed {
			return none, b.failure(lost.StoreError())
		}
		cas = lost.CasFailed()
	}
}

func read(key string, written []byte, value any) error {
	if err := json.Unmarshal(written, value); err != nil {
		return fmt.Errorf("the value at `%s` cannot be read: %w", key, err)
	}
	return nil
}

func (b *Bucket) done(result wit_types.Result[wit_types.Unit, host.Error]) error {
	if result.IsErr() {
		return b.failure(result.Err())
	}
	return nil
}

func (b *Bucket) failure(err host.Error) error {
	switch err.Tag() {
	case host.ErrorNoSuchStore:
		return jobhost.Permanent("keyvalue-denied", "the bucket `"+b.name+"` is not granted")
	case host.ErrorAccessDenied:
		return jobhost.Permanent("keyvalue-denied", "the bucket `"+b.name+"` may not be written")
	}
	return jobhost.Temporary("keyvalue-failed", "the bucket `"+b.name+"`: "+err.Other())
}

// What a plugin imports and exports, as `jco guest-types` makes it of `wit`, with numbers and nulls where
// componentize-qjs has them. Nothing here is written by hand.

declare module 'jobhost:plugin/types@0.1.0' {
  export type Seconds = number;
  export type Milliseconds = number;
  /**
   * A job that has been reserved for this attempt.
   */
  export interface Job {
    /**
     * Unique within its queue.
     */
    id: string,
    /**
     * Unique everywhere and the same for every attempt: an idempotency
     * key to hand to the services that the job calls.
     */
    key: string,
    /**
     * The queue's configured name, not its key prefix.
     */
    queue: string,
    /**
     * What to run: the `class` of the stored message.
     */
    name: string,
    /**
     * JSON text, exactly as it was stored.
     */
    payload: string,
    /**
     * 1 for the first attempt.
     */
    attempt: number,
    /**
     * The queue's limit; none = decided by can-retry or a hook alone.
     */
    maxAttempts?: number | null,
    /**
     * Time to run of this attempt.
     */
    ttr: Seconds,
    /**
     * Unix time; none where the pusher left none (a PHP program).
     */
    pushedAt?: Milliseconds | null,
    /**
     * Open extension point: trace context, tenant, ...
     */
    metadata: Array<[string, string]>,
  }
  /**
   * A job that is not stored yet. It has no id and no attempt to forge.
   */
  export interface JobDraft {
    queue: string,
    name: string,
    /**
     * A JSON object as text; empty means {}.
     */
    payload: string,
    delay?: Milliseconds | null,
    /**
     * none = the handler's get-ttr, else the queue's ttr.
     */
    ttr?: Seconds | null,
    /**
     * At most 4 KiB. Names that begin with "jobhost." are the host's.
     */
    metadata: Array<[string, string]>,
  }
  export interface Failure {
    /**
     * Short, stable and for machines, such as "35020" or "upstream-503".
     */
    code: string,
    message: string,
    details: Array<[string, string]>,
  }
  export interface DelayedFailure {
    failure: Failure,
    /**
     * Try again after this long (HTTP 429 and the like).
     */
    after: Milliseconds,
  }
  /**
   * What a handler says of its own attempt. None of these overrules the
   * limit of attempts.
   */
  export type JobError = JobErrorTemporary | JobErrorRetryAfter | JobErrorPermanent;
  /**
   * Another attempt may succeed.
   */
  export interface JobErrorTemporary {
    tag: 'temporary',
    val: Failure,
  }
  export interface JobErrorRetryAfter {
    tag: 'retry-after',
    val: DelayedFailure,
  }
  /**
   * No attempt will succeed.
   */
  export interface JobErrorPermanent {
    tag: 'permanent',
    val: Failure,
  }
  /**
   * Why an attempt ended badly: the handler's own error, or the host's finding.
   */
  export type FailureCause = FailureCauseReturned | FailureCauseTimedOut | FailureCauseOutOfMemory | FailureCauseOutOfFuel | FailureCauseTrapped | FailureCauseExited | FailureCauseCrashed | FailureCauseLimit | FailureCauseUnhandled | FailureCauseUndecodable | FailureCauseHookFailed | FailureCauseOther;
  export interface FailureCauseReturned {
    tag: 'returned',
    val: JobError,
  }
  export interface FailureCauseTimedOut {
    tag: 'timed-out',
    val: Milliseconds,
  }
  /**
   * Bytes the guest held when it was refused more.
   */
  export interface FailureCauseOutOfMemory {
    tag: 'out-of-memory',
    val: number,
  }
  export interface FailureCauseOutOfFuel {
    tag: 'out-of-fuel',
    val: number,
  }
  /**
   * Trap name and message. The backtrace stays with the host.
   */
  export interface FailureCauseTrapped {
    tag: 'trapped',
    val: string,
  }
  /**
   * The guest ended itself with this status.
   */
  export interface FailureCauseExited {
    tag: 'exited',
    val: number,
  }
  /**
   * It took its worker down this many times.
   */
  export interface FailureCauseCrashed {
    tag: 'crashed',
    val: number,
  }
  /**
   * Another limit was passed; which one, and how far.
   */
  export interface FailureCauseLimit {
    tag: 'limit',
    val: string,
  }
  /**
   * No plugin handles this name.
   */
  export interface FailureCauseUnhandled {
    tag: 'unhandled',
  }
  /**
   * The stored message cannot be read; why.
   */
  export interface FailureCauseUndecodable {
    tag: 'undecodable',
    val: string,
  }
  /**
   * A hook that must not fail did; which one, and why.
   */
  export interface FailureCauseHookFailed {
    tag: 'hook-failed',
    val: string,
  }
  /**
   * "kind: text"
   */
  export interface FailureCauseOther {
    tag: 'other',
    val: string,
  }
  /**
   * What becomes of a failed job.
   */
  export type RetryDecision = RetryDecisionUnchanged | RetryDecisionRetry | RetryDecisionRetryAfter | RetryDecisionGiveUp;
  /**
   * As it stands: what the host, or the link before this one, decided.
   */
  export interface RetryDecisionUnchanged {
    tag: 'unchanged',
  }
  /**
   * Another attempt, after the queue's own backoff.
   */
  export interface RetryDecisionRetry {
    tag: 'retry',
  }
  export interface RetryDecisionRetryAfter {
    tag: 'retry-after',
    val: Milliseconds,
  }
  /**
   * No further attempt: the job goes to the failed set, with the reason.
   */
  export interface RetryDecisionGiveUp {
    tag: 'give-up',
    val: string,
  }
  /**
   * What an attempt cost.
   */
  export interface AttemptReport {
    waited?: Milliseconds | null,
    duration: Milliseconds,
    /**
     * Bytes of linear memory at its highest.
     */
    peakMemory: number,
    /**
     * The version that ran, such as "sha256:...".
     */
    pluginDigest: string,
  }
}
declare module 'jobhost:plugin/context@0.1.0' {
  export function log(level: Level, message: string): void;
  /**
   * Time left before the host interrupts this call. While the host stops it
   * shrinks to what is left of the grace period.
   */
  export function remaining(): Milliseconds;
  /**
   * Shown by `jobhost status`. total = none where it is not known.
   */
  export function progress(done: number, total: number | null, note: string): void;
  export type Milliseconds = import('jobhost:plugin/types@0.1.0').Milliseconds;
  /**
   * # Variants
   *
   * ## `"trace"`
   *
   * ## `"debug"`
   *
   * ## `"info"`
   *
   * ## `"warn"`
   *
   * ## `"error"`
   */
  export type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error';
}
declare module 'jobhost:plugin/queue@0.1.0' {
  /**
   * Stored in the same transaction that settles this attempt. A handler's
   * pushes are stored only if the attempt is done; a hook's with the outcome
   * that it heard of, a retry included.
   */
  export function push(draft: JobDraft): void;
  /**
   * All or none.
   */
  export function pushMany(drafts: Array<JobDraft>): void;
  /**
   * Stored at once, whatever becomes of this attempt. Returns the new job's id.
   *
   * Where the store's answer is lost the host asks again within this call,
   * and the store knows the repeat: an id means that the job is stored once.
   * `unavailable` means that no answer came: the job may be stored, once, or
   * not at all. A second push-now is another job, and a later attempt pushes
   * anew. So let the job be one that may run twice, such as one that carries
   * this job's key; or use `push`, which is exact.
   */
  export function pushNow(draft: JobDraft): string;
  export type JobDraft = import('jobhost:plugin/types@0.1.0').JobDraft;
  export type PushError = PushErrorDenied | PushErrorRejected | PushErrorInvalid | PushErrorUnavailable;
  /**
   * Not granted, no such queue, or not from within this function.
   */
  export interface PushErrorDenied {
    tag: 'denied',
    val: string,
  }
  /**
   * A before-push hook refused it.
   */
  export interface PushErrorRejected {
    tag: 'rejected',
    val: string,
  }
  /**
   * Too large, too many, or not encodable.
   */
  export interface PushErrorInvalid {
    tag: 'invalid',
    val: string,
  }
  /**
   * The store did not answer, or this attempt has lost its lease. From
   * push-now it leaves open whether the job is stored; see there.
   */
  export interface PushErrorUnavailable {
    tag: 'unavailable',
    val: string,
  }
}
declare module 'jobhost:plugin/http@0.1.0' {
  export type Milliseconds = number;
  export interface Request {
    /**
     * In capitals, such as GET.
     */
    method: string,
    /**
     * Such as https://api.example.com/v1/
     */
    url: string,
    /**
     * Names and values. `content-length` and those of the connection, such
     * as `host`, are the host's.
     */
    headers: Array<[string, string]>,
    body: Uint8Array,
    /**
     * For a connection, for the first byte of the answer, and between
     * bytes. none = the time to run, and 10 s for a connection.
     */
    timeout?: Milliseconds | null,
  }
  /**
   * What a server answered, whatever the status. A redirect is an answer,
   * too: nobody follows it.
   */
  export interface Response {
    /**
     * Such as 200.
     */
    status: number,
    /**
     * Names are in lower case; one may be there several times. What of a
     * value is not UTF-8 is replaced.
     */
    headers: Array<[string, string]>,
    /**
     * At most what one exchange with the host may have.
     */
    body: Uint8Array,
  }
  export type HttpError = HttpErrorInvalid | HttpErrorDenied | HttpErrorFailed;
  /**
   * It cannot be sent; the reason.
   */
  export interface HttpErrorInvalid {
    tag: 'invalid',
    val: string,
  }
  /**
   * Not granted, or beyond a limit; the host's log says what would allow it.
   */
  export interface HttpErrorDenied {
    tag: 'denied',
    val: string,
  }
  /**
   * There is no answer; the reason, such as `ConnectionRefused`.
   */
  export interface HttpErrorFailed {
    tag: 'failed',
    val: string,
  }
  export function send(request: Request): Response;
}
declare module 'jobhost:plugin/secrets@0.1.0' {
  /**
   * The secret's text.
   */
  export function get(name: string): string;
  export type SecretError = SecretErrorDenied | SecretErrorUnavailable;
  /**
   * Not granted.
   */
  export interface SecretErrorDenied {
    tag: 'denied',
    val: string,
  }
  export interface SecretErrorUnavailable {
    tag: 'unavailable',
    val: string,
  }
}
declare module 'jobhost:plugin/handler@0.1.0' {
  /**
   * Runs one attempt. The output, JSON text or empty, is kept with the job
   * and handed to after-exec.
   */
  export function execute(job: Job): string;
  export type Job = import('jobhost:plugin/types@0.1.0').Job;
  export type JobError = import('jobhost:plugin/types@0.1.0').JobError;
}
declare module 'jobhost:plugin/time-to-run@0.1.0' {
  /**
   * Asked once, when a host that has this plugin stores the job and no
   * explicit ttr was given. none = no opinion.
   */
  export function getTtr(draft: JobDraft): Seconds | null;
  export type JobDraft = import('jobhost:plugin/types@0.1.0').JobDraft;
  export type Seconds = import('jobhost:plugin/types@0.1.0').Seconds;
}
declare module 'jobhost:plugin/retry-policy@0.1.0' {
  export function canRetry(job: Job, cause: FailureCause): RetryDecision;
  export type Job = import('jobhost:plugin/types@0.1.0').Job;
  export type FailureCause = import('jobhost:plugin/types@0.1.0').FailureCause;
  export type RetryDecision = import('jobhost:plugin/types@0.1.0').RetryDecision;
}
declare module 'jobhost:plugin/before-push@0.1.0' {
  export function beforePush(draft: JobDraft): PushDecision;
  export type JobDraft = import('jobhost:plugin/types@0.1.0').JobDraft;
  export type PushDecision = PushDecisionAccept | PushDecisionReplace | PushDecisionReject;
  export interface PushDecisionAccept {
    tag: 'accept',
  }
  /**
   * Store this draft instead. Its queue must be the same.
   */
  export interface PushDecisionReplace {
    tag: 'replace',
    val: JobDraft,
  }
  /**
   * Store nothing; the pusher is told why.
   */
  export interface PushDecisionReject {
    tag: 'reject',
    val: string,
  }
}
declare module 'jobhost:plugin/before-exec@0.1.0' {
  export function beforeExec(job: Job): ExecDecision;
  export type Job = import('jobhost:plugin/types@0.1.0').Job;
  export type Failure = import('jobhost:plugin/types@0.1.0').Failure;
  export type Milliseconds = import('jobhost:plugin/types@0.1.0').Milliseconds;
  export type ExecDecision = ExecDecisionProceed | ExecDecisionSkip | ExecDecisionPostpone | ExecDecisionFail;
  export interface ExecDecisionProceed {
    tag: 'proceed',
  }
  /**
   * Do not run the job: it is done, and this is why.
   */
  export interface ExecDecisionSkip {
    tag: 'skip',
    val: string,
  }
  /**
   * Do not run it now; the attempt is not counted.
   */
  export interface ExecDecisionPostpone {
    tag: 'postpone',
    val: Milliseconds,
  }
  /**
   * Do not run it: the attempt has failed.
   */
  export interface ExecDecisionFail {
    tag: 'fail',
    val: Failure,
  }
}
declare module 'jobhost:plugin/after-exec@0.1.0' {
  export function afterExec(job: Job, output: string, report: AttemptReport): void;
  export type Job = import('jobhost:plugin/types@0.1.0').Job;
  export type AttemptReport = import('jobhost:plugin/types@0.1.0').AttemptReport;
}
declare module 'jobhost:plugin/after-error@0.1.0' {
  /**
   * Runs after can-retry and has the last word. `decision` is the decision so
   * far, resolved: retry-after or give-up. Return `unchanged` to leave it.
   */
  export function afterError(job: Job, cause: FailureCause, decision: RetryDecision, report: AttemptReport): RetryDecision;
  export type Job = import('jobhost:plugin/types@0.1.0').Job;
  export type FailureCause = import('jobhost:plugin/types@0.1.0').FailureCause;
  export type RetryDecision = import('jobhost:plugin/types@0.1.0').RetryDecision;
  export type AttemptReport = import('jobhost:plugin/types@0.1.0').AttemptReport;
}
declare module 'wasi:config/store@0.2.0-rc.1' {
  /**
   * Gets a configuration value of type `string` associated with the `key`.
   *
   * The value is returned as an `option<string>`. If the key is not found,
   * `Ok(none)` is returned. If an error occurs, an `Err(error)` is returned.
   */
  export function get(key: string): string | null;
  /**
   * Gets a list of configuration key-value pairs of type `string`.
   *
   * If an error occurs, an `Err(error)` is returned.
   */
  export function getAll(): Array<[string, string]>;
  /**
   * An error type that encapsulates the different errors that can occur fetching configuration values.
   */
  export type Error = ErrorUpstream | ErrorIo;
  /**
   * This indicates an error from an "upstream" config source.
   * As this could be almost _anything_ (such as Vault, Kubernetes ConfigMaps, KeyValue buckets, etc),
   * the error message is a string.
   */
  export interface ErrorUpstream {
    tag: 'upstream',
    val: string,
  }
  /**
   * This indicates an error from an I/O operation.
   * As this could be almost _anything_ (such as a file read, network connection, etc),
   * the error message is a string.
   * Depending on how this ends up being consumed,
   * we may consider moving this to use the `wasi:io/error` type instead.
   * For simplicity right now in supporting multiple implementations, it is being left as a string.
   */
  export interface ErrorIo {
    tag: 'io',
    val: string,
  }
}
declare module 'wasi:keyvalue/store@0.2.0-draft2' {
  /**
   * Get the bucket with the specified identifier.
   *
   * `identifier` must refer to a bucket provided by the host.
   *
   * `error::no-such-store` will be raised if the `identifier` is not recognized.
   */
  export function open(identifier: string): Bucket;
  /**
   * The set of errors which may be raised by functions in this package
   */
  export type Error = ErrorNoSuchStore | ErrorAccessDenied | ErrorOther;
  /**
   * The host does not recognize the store identifier requested.
   */
  export interface ErrorNoSuchStore {
    tag: 'no-such-store',
  }
  /**
   * The requesting component does not have access to the specified store
   * (which may or may not exist).
   */
  export interface ErrorAccessDenied {
    tag: 'access-denied',
  }
  /**
   * Some implementation-specific error has occurred (e.g. I/O)
   */
  export interface ErrorOther {
    tag: 'other',
    val: string,
  }
  /**
   * A response to a `list-keys` operation.
   */
  export interface KeyResponse {
    /**
     * The list of keys returned by the query.
     */
    keys: Array<string>,
    /**
     * The continuation token to use to fetch the next page of keys. If this is `null`, then
     * there are no more keys to fetch.
     */
    cursor?: string | null,
  }

  export class Bucket implements Disposable {
    /**
     * This type does not have a public constructor.
     */
    private constructor();
    /**
    * Get the value associated with the specified `key`
    *
    * The value is returned as an option. If the key-value pair exists in the
    * store, it returns `Ok(value)`. If the key does not exist in the
    * store, it returns `Ok(none)`.
    *
    * If any other error occurs, it returns an `Err(error)`.
    */
    get(key: string): Uint8Array | null;
    /**
    * Set the value associated with the key in the store. If the key already
    * exists in the store, it overwrites the value.
    *
    * If the key does not exist in the store, it creates a new key-value pair.
    *
    * If any other error occurs, it returns an `Err(error)`.
    */
    set(key: string, value: Uint8Array): void;
    /**
    * Delete the key-value pair associated with the key in the store.
    *
    * If the key does not exist in the store, it does nothing.
    *
    * If any other error occurs, it returns an `Err(error)`.
    */
    'delete'(key: string): void;
    /**
    * Check if the key exists in the store.
    *
    * If the key exists in the store, it returns `Ok(true)`. If the key does
    * not exist in the store, it returns `Ok(false)`.
    *
    * If any other error occurs, it returns an `Err(error)`.
    */
    exists(key: string): boolean;
    /**
    * Get all the keys in the store with an optional cursor (for use in pagination). It
    * returns a list of keys. Please note that for most KeyValue implementations, this is a
    * can be a very expensive operation and so it should be used judiciously. Implementations
    * can return any number of keys in a single response, but they should never attempt to
    * send more data than is reasonable (i.e. on a small edge device, this may only be a few
    * KB, while on a large machine this could be several MB). Any response should also return
    * a cursor that can be used to fetch the next page of keys. See the `key-response` record
    * for more information.
    *
    * Note that the keys are not guaranteed to be returned in any particular order.
    *
    * If the store is empty, it returns an empty list.
    *
    * MAY show an out-of-date list of keys if there are concurrent writes to the store.
    *
    * If any error occurs, it returns an `Err(error)`.
    */
    listKeys(cursor: string | null): KeyResponse;
    [Symbol.dispose](): void;
  }
}
declare module 'wasi:keyvalue/atomics@0.2.0-draft2' {
  /**
   * Atomically increment the value associated with the key in the store by the given delta. It
   * returns the new value.
   *
   * If the key does not exist in the store, it creates a new key-value pair with the value set
   * to the given delta.
   *
   * If any other error occurs, it returns an `Err(error)`.
   */
  export function increment(bucket: Bucket, key: string, delta: number): number;
  /**
   * Perform the swap on a CAS operation. This consumes the CAS handle and returns an error if
   * the CAS operation failed.
   */
  export function swap(cas: Cas, value: Uint8Array): void;
  export type Bucket = import('wasi:keyvalue/store@0.2.0-draft2').Bucket;
  export type Error = import('wasi:keyvalue/store@0.2.0-draft2').Error;
  /**
   * The error returned by a CAS operation
   */
  export type CasError = CasErrorStoreError | CasErrorCasFailed;
  /**
   * A store error occurred when performing the operation
   */
  export interface CasErrorStoreError {
    tag: 'store-error',
    val: Error,
  }
  /**
   * The CAS operation failed because the value was too old. This returns a new CAS handle
   * for easy retries. Implementors MUST return a CAS handle that has been updated to the
   * latest version or transaction.
   */
  export interface CasErrorCasFailed {
    tag: 'cas-failed',
    val: Cas,
  }

  export class Cas implements Disposable {
    /**
     * This type does not have a public constructor.
     */
    private constructor();
    /**
    * Construct a new CAS operation. Implementors can map the underlying functionality
    * (transactions, versions, etc) as desired.
    */
    static 'new'(bucket: Bucket, key: string): Cas;
    /**
    * Get the current value of the key (if it exists). This allows for avoiding reads if all
    * that is needed to ensure the atomicity of the operation
    */
    current(): Uint8Array | null;
    [Symbol.dispose](): void;
  }
}
declare module 'wasi:keyvalue/batch@0.2.0-draft2' {
  /**
   * Get the key-value pairs associated with the keys in the store. It returns a list of
   * key-value pairs.
   *
   * If any of the keys do not exist in the store, it returns a `none` value for that pair in the
   * list.
   *
   * MAY show an out-of-date value if there are concurrent writes to the store.
   *
   * If any other error occurs, it returns an `Err(error)`.
   */
  export function getMany(bucket: Bucket, keys: Array<string>): Array<[string, Uint8Array] | null>;
  /**
   * Set the values associated with the keys in the store. If the key already exists in the
   * store, it overwrites the value.
   *
   * Note that the key-value pairs are not guaranteed to be set in the order they are provided.
   *
   * If any of the keys do not exist in the store, it creates a new key-value pair.
   *
   * If any other error occurs, it returns an `Err(error)`. When an error occurs, it does not
   * rollback the key-value pairs that were already set. Thus, this batch operation does not
   * guarantee atomicity, implying that some key-value pairs could be set while others might
   * fail.
   *
   * Other concurrent operations may also be able to see the partial results.
   */
  export function setMany(bucket: Bucket, keyValues: Array<[string, Uint8Array]>): void;
  /**
   * Delete the key-value pairs associated with the keys in the store.
   *
   * Note that the key-value pairs are not guaranteed to be deleted in the order they are
   * provided.
   *
   * If any of the keys do not exist in the store, it skips the key.
   *
   * If any other error occurs, it returns an `Err(error)`. When an error occurs, it does not
   * rollback the key-value pairs that were already deleted. Thus, this batch operation does not
   * guarantee atomicity, implying that some key-value pairs could be deleted while others might
   * fail.
   *
   * Other concurrent operations may also be able to see the partial results.
   */
  export function deleteMany(bucket: Bucket, keys: Array<string>): void;
  export type Bucket = import('wasi:keyvalue/store@0.2.0-draft2').Bucket;
  export type Error = import('wasi:keyvalue/store@0.2.0-draft2').Error;
}
declare module 'wasi:random/random@0.2.0' {
  /**
   * So many bytes.
   */
  export function getRandomBytes(len: number): Uint8Array;
  /**
   * Eight of them.
   */
  export function getRandomU64(): number;
}
declare module 'wasi:filesystem/types@0.2.0' {
  export type Filesize = number;
  export type DescriptorType = 'unknown' | 'block-device' | 'character-device' | 'directory' | 'fifo' | 'symbolic-link' | 'regular-file' | 'socket';
  export interface DescriptorFlags {
    read?: boolean,
    write?: boolean,
    fileIntegritySync?: boolean,
    dataIntegritySync?: boolean,
    requestedWriteSync?: boolean,
    mutateDirectory?: boolean,
  }
  export interface PathFlags {
    symlinkFollow?: boolean,
  }
  export interface OpenFlags {
    create?: boolean,
    directory?: boolean,
    exclusive?: boolean,
    truncate?: boolean,
  }
  export interface DirectoryEntry {
    type: DescriptorType,
    name: string,
  }

  export class Descriptor implements Disposable {
    /**
     * This type does not have a public constructor.
     */
    private constructor();
    /**
    * At most so many bytes from there on, and whether that was the end.
    */
    read(length: Filesize, offset: Filesize): [Uint8Array, boolean];
    /**
    * How many were written.
    */
    write(buffer: Uint8Array, offset: Filesize): Filesize;
    readDirectory(): DirectoryEntryStream;
    createDirectoryAt(path: string): void;
    openAt(pathFlags: PathFlags, path: string, openFlags: OpenFlags, flags: DescriptorFlags): Descriptor;
    unlinkFileAt(path: string): void;
    [Symbol.dispose](): void;
  }

  export class DirectoryEntryStream implements Disposable {
    /**
     * This type does not have a public constructor.
     */
    private constructor();
    readDirectoryEntry(): DirectoryEntry | null;
    [Symbol.dispose](): void;
  }
}
declare module 'wasi:filesystem/preopens@0.2.0' {
  export type Descriptor = import('wasi:filesystem/types@0.2.0').Descriptor;
  /**
   * The folders that were granted, and where the plugin finds them.
   */
  export function getDirectories(): Array<[Descriptor, string]>;
}

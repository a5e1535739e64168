// Does what the jobs of the conformance kit ask for, over the bindings.

#include "json.h"
#include "plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <wasi/api.h>

#define A_WHILE 1500

typedef exports_jobhost_plugin_handler_job_error_t job_error;

// To hand over to the host in a call.
static plugin_string_t lent(const char *ended_by_zero) {
    text bytes = literal(ended_by_zero);
    return (plugin_string_t){(uint8_t *)bytes.at, bytes.length};
}

// To return.
static plugin_string_t copied(text bytes) {
    plugin_string_t copy;
    plugin_string_dup_n(&copy, bytes.at, bytes.length);
    return copy;
}

static text text_of(plugin_string_t bytes) {
    return (text){(const char *)bytes.ptr, bytes.len};
}

// A text of a JSON object; empty where there is none.
static text member(text object, const char *name) {
    text json, value;
    return json_member(object, name, &json) && json_string(json, &value) ? value : literal("");
}

static bool does(plugin_string_t payload, const char *what) {
    return text_is(member(text_of(payload), "do"), what);
}

// The details of a failure, to return.
static plugin_list_tuple2_string_string_t path_among_details(void) {
    plugin_tuple2_string_string_t *details = malloc(sizeof *details);
    *details = (plugin_tuple2_string_string_t){copied(literal("path")), copied(literal("a.b"))};
    return (plugin_list_tuple2_string_string_t){details, 1};
}

static jobhost_plugin_types_failure_t failure(const char *code, const char *message) {
    return (jobhost_plugin_types_failure_t){copied(literal(code)), copied(literal(message)), {0}};
}

static void write_member(writer *to, const char *name, text value) {
    write_text(to, literal(to->length == 0 ? "{\"" : ",\""));
    write_text(to, literal(name));
    write_text(to, literal("\":"));
    write_text(to, value);
}

static void write_string(writer *to, const char *name, text value) {
    writer json = {0};
    write_json_string(&json, value);
    write_member(to, name, written(&json));
}

static void write_number(writer *to, const char *name, uint32_t value) {
    writer json = {0};
    write_u32(&json, value);
    write_member(to, name, written(&json));
}

static bool object(plugin_string_t *output, writer *members) {
    write_text(members, literal("}"));
    *output = copied(written(members));
    return true;
}

static void log_line(jobhost_plugin_context_level_t level, const char *message) {
    plugin_string_t line = lent(message);
    jobhost_plugin_context_log(level, &line);
}

static uint32_t number_from_the_host(void) {
    uint32_t number;
    if (__wasi_random_get((uint8_t *)&number, sizeof number) != 0) {
        abort();
    }
    return number;
}

static void push(const char *name, text content) {
    writer payload = {0};
    write_string(&payload, "text", content);
    write_text(&payload, literal("}"));
    jobhost_plugin_queue_job_draft_t draft = {.queue = lent("follow-up"), .name = lent(name)};
    draft.payload = (plugin_string_t){(uint8_t *)payload.at, payload.length};
    plugin_tuple2_string_string_t tenant = {lent("tenant"), lent("7")};
    if (text_is(literal(name), "first")) {
        draft.delay = (jobhost_plugin_types_option_milliseconds_t){true, A_WHILE};
        draft.ttr = (jobhost_plugin_types_option_seconds_t){true, 3};
        draft.metadata = (plugin_list_tuple2_string_string_t){&tenant, 1};
    }
    jobhost_plugin_queue_push_error_t refusal;
    if (!jobhost_plugin_queue_push(&draft, &refusal)) {
        abort();
    }
}

static bool job_as_object(exports_jobhost_plugin_handler_job_t *job, plugin_string_t *output) {
    writer members = {0};
    write_string(&members, "id", text_of(job->id));
    write_string(&members, "key", text_of(job->key));
    write_string(&members, "name", text_of(job->name));
    write_number(&members, "attempt", job->attempt);
    write_number(&members, "of", job->max_attempts.val);
    write_number(&members, "ttr", job->ttr);
    for (size_t i = 0; i < job->metadata.len; i++) {
        if (text_is(text_of(job->metadata.ptr[i].f0), "tenant")) {
            write_string(&members, "tenant", text_of(job->metadata.ptr[i].f1));
        }
    }
    write_member(&members, "remaining", literal(jobhost_plugin_context_remaining() > 0 ? "true" : "false"));
    return object(output, &members);
}

static bool numbers(plugin_string_t *output) {
    writer array = {0}, members = {0}, id = {0};
    write_text(&array, literal("["));
    write_u32(&array, number_from_the_host());
    write_text(&array, literal(","));
    write_u32(&array, number_from_the_host());
    write_text(&array, literal("]"));
    write_member(&members, "numbers", written(&array));
    write_u32(&id, number_from_the_host());
    write_string(&members, "id", written(&id));
    return object(output, &members);
}

bool exports_jobhost_plugin_handler_execute(exports_jobhost_plugin_handler_job_t *job, plugin_string_t *output,
                                            job_error *error) {
    writer members = {0};
    *output = copied(literal(""));
    if (does(job->payload, "echo")) {
        write_string(&members, "text", member(text_of(job->payload), "text"));
        return object(output, &members);
    }
    if (does(job->payload, "temporary")) {
        error->tag = JOBHOST_PLUGIN_TYPES_JOB_ERROR_TEMPORARY;
        error->val.temporary = failure("busy", "later, perhaps");
        return false;
    }
    if (does(job->payload, "permanent")) {
        error->tag = JOBHOST_PLUGIN_TYPES_JOB_ERROR_PERMANENT;
        error->val.permanent = failure("never", "nobody can");
        error->val.permanent.details = path_among_details();
        return false;
    }
    if (does(job->payload, "retry-after")) {
        error->tag = JOBHOST_PLUGIN_TYPES_JOB_ERROR_RETRY_AFTER;
        error->val.retry_after = (jobhost_plugin_types_delayed_failure_t){failure("429", "too many"), A_WHILE};
        return false;
    }
    if (does(job->payload, "uncaught")) {
        abort();
    }
    if (does(job->payload, "progress")) {
        plugin_string_t begun = lent("begun"), nearer = lent("näher");
        uint32_t total = 3;
        jobhost_plugin_context_progress(1, NULL, &begun);
        jobhost_plugin_context_progress(2, &total, &nearer);
    }
    if (does(job->payload, "logs")) {
        log_line(JOBHOST_PLUGIN_CONTEXT_LEVEL_DEBUG, "a");
        log_line(JOBHOST_PLUGIN_CONTEXT_LEVEL_INFO, "b 🦀");
        log_line(JOBHOST_PLUGIN_CONTEXT_LEVEL_WARN, "c");
        log_line(JOBHOST_PLUGIN_CONTEXT_LEVEL_ERROR, "d");
    }
    if (does(job->payload, "print")) {
        puts("to stdout 🦀");
        // An instance ends without the end of a program, which would do it.
        fflush(stdout);
        fputs("to stderr\n", stderr);
    }
    if (does(job->payload, "push")) {
        push("first", literal("ü"));
        jobhost_plugin_queue_job_draft_t second = {.queue = lent("follow-up"), .name = lent("second")};
        jobhost_plugin_queue_push_error_t refusal;
        plugin_string_t id;
        if (!jobhost_plugin_queue_push_now(&second, &id, &refusal)) {
            abort();
        }
        write_string(&members, "id", text_of(id));
        return object(output, &members);
    }
    if (does(job->payload, "refused-push")) {
        jobhost_plugin_queue_job_draft_t draft = {.queue = lent("follow-up"), .name = lent("first")};
        jobhost_plugin_queue_push_error_t refusal;
        bool denied = !jobhost_plugin_queue_push(&draft, &refusal) &&
                      refusal.tag == JOBHOST_PLUGIN_QUEUE_PUSH_ERROR_DENIED;
        write_string(&members, "refused", literal(denied ? "denied" : "otherwise"));
        return object(output, &members);
    }
    if (does(job->payload, "loop")) {
        for (volatile uint32_t turns = 0;; turns++) {
        }
    }
    if (does(job->payload, "fill-memory")) {
        // A compiler may leave out memory that nobody writes to.
        for (char *volatile more; (more = malloc(1 << 20)) != NULL;) {
            *more = 1;
        }
        abort();
    }
    if (does(job->payload, "random")) {
        return numbers(output);
    }
    return !does(job->payload, "job") || job_as_object(job, output);
}

bool exports_jobhost_plugin_time_to_run_get_ttr(exports_jobhost_plugin_time_to_run_job_draft_t *draft,
                                                exports_jobhost_plugin_time_to_run_seconds_t *seconds) {
    *seconds = 90;
    return does(draft->payload, "take-long");
}

static text code_of(const jobhost_plugin_types_failure_cause_t *cause) {
    bool returned = cause->tag == JOBHOST_PLUGIN_TYPES_FAILURE_CAUSE_RETURNED;
    return returned ? text_of(cause->val.returned.val.temporary.code) : literal("");
}

void exports_jobhost_plugin_retry_policy_can_retry(exports_jobhost_plugin_retry_policy_job_t *job,
                                                   exports_jobhost_plugin_retry_policy_failure_cause_t *cause,
                                                   exports_jobhost_plugin_retry_policy_retry_decision_t *answer) {
    (void)job;
    answer->tag = JOBHOST_PLUGIN_TYPES_RETRY_DECISION_UNCHANGED;
    if (text_is(code_of(cause), "busy")) {
        answer->tag = JOBHOST_PLUGIN_TYPES_RETRY_DECISION_RETRY_AFTER;
        answer->val.retry_after = A_WHILE;
    }
    if (cause->tag == JOBHOST_PLUGIN_TYPES_FAILURE_CAUSE_TIMED_OUT) {
        answer->tag = JOBHOST_PLUGIN_TYPES_RETRY_DECISION_GIVE_UP;
        answer->val.give_up = copied(literal("timed-out"));
    }
}

bool exports_jobhost_plugin_before_push_before_push(exports_jobhost_plugin_before_push_job_draft_t *draft,
                                                    exports_jobhost_plugin_before_push_push_decision_t *answer,
                                                    plugin_string_t *error) {
    (void)error;
    answer->tag = EXPORTS_JOBHOST_PLUGIN_BEFORE_PUSH_PUSH_DECISION_ACCEPT;
    if (does(draft->payload, "reject")) {
        answer->tag = EXPORTS_JOBHOST_PLUGIN_BEFORE_PUSH_PUSH_DECISION_REJECT;
        answer->val.reject = copied(literal("nichts für uns"));
    }
    if (does(draft->payload, "replace")) {
        answer->tag = EXPORTS_JOBHOST_PLUGIN_BEFORE_PUSH_PUSH_DECISION_REPLACE;
        answer->val.replace = *draft;
        answer->val.replace.name = copied(literal("other"));
        answer->val.replace.payload = copied(literal("{\"text\":\"ü\"}"));
    }
    return true;
}

bool exports_jobhost_plugin_before_exec_before_exec(exports_jobhost_plugin_before_exec_job_t *job,
                                                    exports_jobhost_plugin_before_exec_exec_decision_t *answer,
                                                    plugin_string_t *error) {
    (void)error;
    answer->tag = EXPORTS_JOBHOST_PLUGIN_BEFORE_EXEC_EXEC_DECISION_PROCEED;
    if (does(job->payload, "skip")) {
        answer->tag = EXPORTS_JOBHOST_PLUGIN_BEFORE_EXEC_EXEC_DECISION_SKIP;
        answer->val.skip = copied(literal("nichts für uns"));
    }
    if (does(job->payload, "postpone")) {
        answer->tag = EXPORTS_JOBHOST_PLUGIN_BEFORE_EXEC_EXEC_DECISION_POSTPONE;
        answer->val.postpone = A_WHILE;
    }
    if (does(job->payload, "fail")) {
        answer->tag = EXPORTS_JOBHOST_PLUGIN_BEFORE_EXEC_EXEC_DECISION_FAIL;
        answer->val.fail = failure("never", "nobody can");
        answer->val.fail.details = path_among_details();
    }
    return true;
}

bool exports_jobhost_plugin_after_exec_after_exec(exports_jobhost_plugin_after_exec_job_t *job, plugin_string_t *output,
                                                  exports_jobhost_plugin_after_exec_attempt_report_t *report,
                                                  plugin_string_t *error) {
    (void)job, (void)report;
    text heard = member(text_of(*output), "text");
    if (heard.length == 0) {
        *error = copied(literal("the output has no text"));
        return false;
    }
    push("heard", heard);
    return true;
}

bool exports_jobhost_plugin_after_error_after_error(exports_jobhost_plugin_after_error_job_t *job,
                                                    exports_jobhost_plugin_after_error_failure_cause_t *cause,
                                                    exports_jobhost_plugin_after_error_retry_decision_t *decision,
                                                    exports_jobhost_plugin_after_error_attempt_report_t *report,
                                                    exports_jobhost_plugin_after_error_retry_decision_t *answer,
                                                    plugin_string_t *error) {
    (void)job, (void)decision, (void)report, (void)error;
    writer line = {0};
    write_text(&line, code_of(cause));
    write_text(&line, literal(": "));
    write_text(&line, text_of(cause->val.returned.val.temporary.message));
    plugin_string_t message = {(uint8_t *)line.at, line.length};
    jobhost_plugin_context_log(JOBHOST_PLUGIN_CONTEXT_LEVEL_WARN, &message);
    answer->tag = JOBHOST_PLUGIN_TYPES_RETRY_DECISION_RETRY_AFTER;
    answer->val.retry_after = A_WHILE;
    return true;
}

// Announces greetings and gives up on what will never work: hooks to change into your own.
//
// Each call has a fresh instance of the plugin, so nothing has to be freed: the memory goes with the call. But what is
// returned is freed, by the bindings, and so has to be a copy.

#include "json.h"
#include "plugin.h"

// To hand over to the host in a call.
static plugin_string_t lent(text bytes) {
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

static void log_line(jobhost_plugin_context_level_t level, text job, const char *what, text more) {
    writer line = {0};
    write_text(&line, job);
    write_text(&line, literal(what));
    write_text(&line, more);
    plugin_string_t message = lent(written(&line));
    jobhost_plugin_context_log(level, &message);
}

// Hears of every job that is done. False with a text says that the hook itself is broken.
bool exports_jobhost_plugin_after_exec_after_exec(exports_jobhost_plugin_after_exec_job_t *job, plugin_string_t *output,
                                                  exports_jobhost_plugin_after_exec_attempt_report_t *report,
                                                  plugin_string_t *error) {
    (void)report;
    log_line(JOBHOST_PLUGIN_CONTEXT_LEVEL_INFO, text_of(job->name), " is done", literal(""));
    text greeting;
    if (!json_member(text_of(*output), "text", &greeting)) {
        *error = copied(literal("the output has no `text`"));
        return false;
    }
    writer payload = {0};
    write_text(&payload, literal("{\"text\":"));
    write_text(&payload, greeting);
    write_text(&payload, literal("}"));
    jobhost_plugin_queue_job_draft_t draft = {
        .queue = lent(literal("follow-up")),
        .name = lent(literal("announce")),
        .payload = lent(written(&payload)),
    };
    // Stored in the step that settles the job, or not at all.
    jobhost_plugin_queue_push_error_t refusal;
    if (!jobhost_plugin_queue_push(&draft, &refusal)) {
        // Every kind of refusal has a text.
        *error = refusal.val.denied;
        return false;
    }
    return true;
}

// The handler's own code, or a word for what the host found.
static text code_of(const exports_jobhost_plugin_after_error_failure_cause_t *cause) {
    if (cause->tag != JOBHOST_PLUGIN_TYPES_FAILURE_CAUSE_RETURNED) {
        return literal(cause->tag == JOBHOST_PLUGIN_TYPES_FAILURE_CAUSE_TIMED_OUT ? "timed-out" : "stopped");
    }
    const jobhost_plugin_types_job_error_t *error = &cause->val.returned;
    bool delayed = error->tag == JOBHOST_PLUGIN_TYPES_JOB_ERROR_RETRY_AFTER;
    return text_of(delayed ? error->val.retry_after.failure.code : error->val.temporary.code);
}

// Hears of every attempt that has failed, and has the last word on what becomes of the job.
bool exports_jobhost_plugin_after_error_after_error(exports_jobhost_plugin_after_error_job_t *job,
                                                    exports_jobhost_plugin_after_error_failure_cause_t *cause,
                                                    exports_jobhost_plugin_after_error_retry_decision_t *decision,
                                                    exports_jobhost_plugin_after_error_attempt_report_t *report,
                                                    exports_jobhost_plugin_after_error_retry_decision_t *answer,
                                                    plugin_string_t *error) {
    (void)decision, (void)report, (void)error;
    text code = code_of(cause);
    log_line(JOBHOST_PLUGIN_CONTEXT_LEVEL_WARN, text_of(job->name), " has failed: ", code);
    answer->tag = JOBHOST_PLUGIN_TYPES_RETRY_DECISION_UNCHANGED;
    if (text_is(code, "no-name")) {
        answer->tag = JOBHOST_PLUGIN_TYPES_RETRY_DECISION_GIVE_UP;
        answer->val.give_up = copied(literal("nobody will have a name later"));
    }
    return true;
}

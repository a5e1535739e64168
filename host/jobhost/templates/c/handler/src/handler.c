// Greets people: a job handler to change into your own.
//
// Each job has a fresh instance of the plugin, so nothing has to be freed: the memory goes with the job. But what is returned
// is freed, by the bindings, and so has to be a copy.

#include "json.h"
#include "plugin.h"

#define DONE true
#define FAILED false

typedef exports_jobhost_plugin_handler_job_error_t job_error;

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

// Another attempt may succeed.
static bool temporary(job_error *error, const char *code, text message) {
    error->tag = JOBHOST_PLUGIN_TYPES_JOB_ERROR_TEMPORARY;
    error->val.temporary = (jobhost_plugin_types_failure_t){copied(literal(code)), copied(message), {0}};
    return FAILED;
}

// No attempt will succeed.
static bool permanent(job_error *error, const char *code, text message) {
    error->tag = JOBHOST_PLUGIN_TYPES_JOB_ERROR_PERMANENT;
    error->val.permanent = (jobhost_plugin_types_failure_t){copied(literal(code)), copied(message), {0}};
    return FAILED;
}

static void progress(uint32_t done, uint32_t total, const char *note) {
    plugin_string_t shown = lent(literal(note));
    jobhost_plugin_context_progress(done, &total, &shown);
}

static void info(text message) {
    plugin_string_t line = lent(message);
    jobhost_plugin_context_log(JOBHOST_PLUGIN_CONTEXT_LEVEL_INFO, &line);
}

// Pushes a follow-up job: it is stored when this job is done, or not at all.
static bool announce(text greeting, job_error *error) {
    writer payload = {0};
    write_text(&payload, literal("{\"text\":"));
    write_json_string(&payload, greeting);
    write_text(&payload, literal("}"));
    jobhost_plugin_queue_job_draft_t draft = {
        .queue = lent(literal("follow-up")),
        .name = lent(literal("announce")),
        .payload = lent(written(&payload)),
    };
    jobhost_plugin_queue_push_error_t refusal;
    if (jobhost_plugin_queue_push(&draft, &refusal)) {
        return DONE;
    }
    // Every kind of refusal has a text.
    plugin_string_t why = refusal.val.denied;
    return temporary(error, "push", (text){(const char *)why.ptr, why.len});
}

bool exports_jobhost_plugin_handler_execute(exports_jobhost_plugin_handler_job_t *job, plugin_string_t *output,
                                            job_error *error) {
    text payload = {(const char *)job->payload.ptr, job->payload.len};
    text value, name;
    uint32_t ready_at_attempt = 0;
    if (!json_member(payload, "name", &value) || !json_string(value, &name)) {
        return permanent(error, "invalid-payload", literal("the payload has no text `name`"));
    }
    if (json_member(payload, "ready_at_attempt", &value) && !json_u32(value, &ready_at_attempt)) {
        return permanent(error, "invalid-payload", literal("`ready_at_attempt` is not a whole number"));
    }
    if (name.length == 0) {
        return permanent(error, "no-name", literal("nobody to greet"));
    }
    if (job->attempt < ready_at_attempt) {
        writer message = {0};
        write_text(&message, literal("there is no greeting before attempt "));
        write_u32(&message, ready_at_attempt);
        return temporary(error, "not-ready", written(&message));
    }
    writer line = {0}, greeting = {0}, result = {0};
    write_text(&line, literal("greeting "));
    write_text(&line, name);
    info(written(&line));
    progress(1, 2, "greeting");
    write_text(&greeting, literal("Hello, "));
    write_text(&greeting, name);
    write_text(&greeting, literal("!"));
    if (!announce(written(&greeting), error)) {
        return FAILED;
    }
    progress(2, 2, "announced");
    // The output: JSON that is kept with the job.
    write_text(&result, literal("{\"text\":"));
    write_json_string(&result, written(&greeting));
    write_text(&result, literal(",\"attempt\":"));
    write_u32(&result, job->attempt);
    write_text(&result, literal("}"));
    *output = copied(written(&result));
    return DONE;
}

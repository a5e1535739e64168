#include <stdio.h>

#include "json.h"
#include "plugin.h"

typedef exports_jobhost_plugin_handler_job_error_t job_error;

static bool failed(job_error *error, const char *code, text message) {
    error->tag = JOBHOST_PLUGIN_TYPES_JOB_ERROR_TEMPORARY;
    error->val.temporary = (jobhost_plugin_types_failure_t){0};
    plugin_string_dup(&error->val.temporary.code, code);
    plugin_string_dup_n(&error->val.temporary.message, message.at, message.length);
    return false;
}

bool exports_jobhost_plugin_handler_execute(exports_jobhost_plugin_handler_job_t *job, plugin_string_t *output,
                                            job_error *error) {
    text payload = {(const char *)job->payload.ptr, job->payload.len}, value, url;
    if (!json_member(payload, "url", &value) || !json_string(value, &url)) {
        return failed(error, "invalid-payload", literal("the payload has no text `url`"));
    }
    jobhost_plugin_http_request_t request = {.url = {(uint8_t *)url.at, url.length}};
    plugin_string_set(&request.method, "GET");
    jobhost_plugin_http_response_t answer;
    jobhost_plugin_http_http_error_t why;
    if (!jobhost_plugin_http_send(&request, &answer, &why)) {
        // Every kind of error has a text.
        text message = {(const char *)why.val.failed.ptr, why.val.failed.len};
        return failed(error, why.tag == JOBHOST_PLUGIN_HTTP_HTTP_ERROR_DENIED ? "http-denied" : "http-failed", message);
    }
    FILE *file = fopen("/data/in.txt", "r");
    if (file == NULL) {
        return failed(error, "file", literal("/data/in.txt cannot be opened"));
    }
    char found[64];
    writer body = {0}, result = {0};
    write_text(&body, (text){(const char *)answer.body.ptr, answer.body.len});
    write_text(&body, (text){found, fread(found, 1, sizeof found, file)});
    fclose(file);
    write_text(&result, literal("{\"text\":"));
    write_json_string(&result, written(&body));
    write_text(&result, literal("}"));
    plugin_string_dup_n(output, result.at, result.length);
    return true;
}

// Writes the receipt of an order.
//
// Each job has a fresh instance of the plugin, so nothing has to be freed: the memory goes with the job. But what is returned
// is freed, by the bindings, and so has to be a copy.

#include <stdlib.h>

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

static void progress(uint32_t done, uint32_t total, text note) {
    plugin_string_t shown = lent(note);
    jobhost_plugin_context_progress(done, &total, &shown);
}

static void info(text message) {
    plugin_string_t line = lent(message);
    jobhost_plugin_context_log(JOBHOST_PLUGIN_CONTEXT_LEVEL_INFO, &line);
}

// The payload.
typedef struct {
    text item;
    uint32_t quantity, cents;
} line;

typedef struct {
    text number;
    line *lines;
    size_t count;
} order;

enum {
    MOST_LINES = 100,
    MOST_PIECES = 100,
    // The sum of the largest order still fits.
    MOST_CENTS = 100000,
};

// False if the JSON is no order.
static bool read_order(text json, order *read) {
    text value, *items;
    if (!json_member(json, "order", &value) || !json_string(value, &read->number)) {
        return false;
    }
    if (!json_member(json, "lines", &value) || !json_items(value, &items, &read->count)) {
        return false;
    }
    read->lines = calloc(read->count + 1, sizeof *read->lines);
    if (read->lines == NULL) {
        abort();
    }
    for (size_t i = 0; i < read->count; i++) {
        line *one = &read->lines[i];
        if (!json_member(items[i], "item", &value) || !json_string(value, &one->item) ||
            !json_member(items[i], "quantity", &value) || !json_u32(value, &one->quantity) ||
            !json_member(items[i], "cents", &value) || !json_u32(value, &one->cents)) {
            return false;
        }
    }
    return true;
}

// Whether there can be no receipt, and why.
static bool is_wrong(const order *checked, writer *why) {
    if (checked->number.length == 0) {
        write_text(why, literal("an order has a number"));
        return true;
    }
    if (checked->count < 1 || checked->count > MOST_LINES) {
        write_text(why, literal("an order has 1 to "));
        write_u32(why, MOST_LINES);
        write_text(why, literal(" lines"));
        return true;
    }
    for (size_t i = 0; i < checked->count; i++) {
        const line *one = &checked->lines[i];
        if (one->quantity < 1 || one->quantity > MOST_PIECES) {
            write_text(why, one->item);
            write_text(why, literal(": a quantity goes from 1 to "));
            write_u32(why, MOST_PIECES);
            return true;
        }
        if (one->cents > MOST_CENTS) {
            write_text(why, one->item);
            write_text(why, literal(": a price is at most "));
            write_u32(why, MOST_CENTS);
            write_text(why, literal(" cents"));
            return true;
        }
    }
    return false;
}

static text receipt_text(text shop, text number, uint32_t pieces, uint32_t cents) {
    writer receipt = {0};
    write_text(&receipt, shop);
    write_text(&receipt, literal(": order "));
    write_text(&receipt, number);
    write_text(&receipt, literal(", "));
    write_u32(&receipt, pieces);
    write_text(&receipt, literal(" pieces, "));
    write_u32(&receipt, cents / 100);
    write_text(&receipt, literal(cents % 100 < 10 ? ".0" : "."));
    write_u32(&receipt, cents % 100);
    return written(&receipt);
}

// Pushes a follow-up job: it is stored when this job is done, or not at all.
static bool push_mail(text number, text receipt, job_error *error) {
    writer payload = {0};
    write_text(&payload, literal("{\"order\":"));
    write_json_string(&payload, number);
    write_text(&payload, literal(",\"text\":"));
    write_json_string(&payload, receipt);
    write_text(&payload, literal("}"));
    jobhost_plugin_queue_job_draft_t draft = {
        .queue = lent(literal("mail")),
        .name = lent(literal("send-receipt")),
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
    order given;
    if (!read_order(payload, &given)) {
        return permanent(error, "invalid-payload", literal("the payload has not the members of an order"));
    }
    writer why = {0};
    if (is_wrong(&given, &why)) {
        // It will be no better at another attempt.
        return permanent(error, "bad-order", written(&why));
    }
    const char *shop = getenv("SHOP");
    if (shop == NULL) {
        // Granted in jobhost.toml. Without it the job is tried again: by then the operator may have granted it.
        return temporary(error, "no-shop", literal("no variable SHOP is granted"));
    }
    writer message = {0};
    write_text(&message, given.number);
    write_text(&message, literal(": "));
    write_u32(&message, (uint32_t)given.count);
    write_text(&message, literal(" lines"));
    info(written(&message));
    uint32_t pieces = 0, cents = 0;
    for (size_t i = 0; i < given.count; i++) {
        const line *one = &given.lines[i];
        pieces += one->quantity;
        cents += one->quantity * one->cents;
        // Shown by `jobhost status`.
        progress((uint32_t)i + 1, (uint32_t)given.count, one->item);
    }
    if (!push_mail(given.number, receipt_text(literal(shop), given.number, pieces, cents), error)) {
        return FAILED;
    }
    // The output: JSON that is kept with the job.
    writer result = {0};
    write_text(&result, literal("{\"order\":"));
    write_json_string(&result, given.number);
    write_text(&result, literal(",\"pieces\":"));
    write_u32(&result, pieces);
    write_text(&result, literal(",\"cents\":"));
    write_u32(&result, cents);
    write_text(&result, literal("}"));
    *output = copied(written(&result));
    return DONE;
}

// As much JSON as a handler needs: members of an object, items of an array, strings and whole numbers, read and written. Take
// a library where you need more.

#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// UTF-8, not ended by a zero. It belongs to whoever made it.
typedef struct {
    const char *at;
    size_t length;
} text;

text literal(const char *ended_by_zero);
bool text_is(text one, const char *other);

// The value of a member of a JSON object, as JSON; false if there is none. Of members with equal names the first.
bool json_member(text object, const char *name, text *value);
// The items of a JSON array, each as JSON; false if it is none.
bool json_items(text array, text **items, size_t *count);
// The text that a JSON string stands for; false if it is no string.
bool json_string(text json, text *value);
// A number without fraction; false if it is none or does not fit.
bool json_u32(text json, uint32_t *value);

// A text that grows. It begins as {0}.
typedef struct {
    char *at;
    size_t length, room;
} writer;

text written(const writer *all);
void write_text(writer *to, text what);
void write_u32(writer *to, uint32_t number);
// The text as a JSON string, in quotation marks.
void write_json_string(writer *to, text what);

#endif

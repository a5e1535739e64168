// Reads and writes JSON within its bounds, without recursion. What is not JSON is found to be nothing.

#include "json.h"

#include <stdlib.h>
#include <string.h>

text literal(const char *ended_by_zero) {
    return (text){ended_by_zero, strlen(ended_by_zero)};
}

bool text_is(text one, const char *other) {
    return one.length == strlen(other) && memcmp(one.at, other, one.length) == 0;
}

static const char *after_blanks(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) {
        at++;
    }
    return at;
}

// Behind the string that begins here; NULL if it does not end.
static const char *after_string(const char *at, const char *end) {
    for (at++; at < end; at++) {
        if (*at == '"') {
            return at + 1;
        }
        if (*at == '\\') {
            at++;
        }
    }
    return NULL;
}

// Behind the value that begins here; NULL if it does not end.
static const char *after_value(const char *at, const char *end) {
    size_t depth = 0;
    while (at < end) {
        if (*at == '"') {
            at = after_string(at, end);
            if (at == NULL || depth == 0) {
                return at;
            }
        } else if (*at == '{' || *at == '[') {
            depth++;
            at++;
        } else if (*at == '}' || *at == ']') {
            if (depth == 0) {
                return at;
            }
            at++;
            if (--depth == 0) {
                return at;
            }
        } else if (depth == 0 && (*at == ',' || after_blanks(at, end) != at)) {
            return at;
        } else {
            at++;
        }
    }
    return depth == 0 ? at : NULL;
}

bool json_member(text object, const char *name, text *value) {
    const char *end = object.at + object.length;
    const char *at = after_blanks(object.at, end);
    if (at == end || *at != '{') {
        return false;
    }
    for (at = after_blanks(at + 1, end); at < end && *at == '"'; at = after_blanks(at + 1, end)) {
        const char *begin = at;
        at = after_string(at, end);
        if (at == NULL) {
            return false;
        }
        text found;
        bool wanted = json_string((text){begin, (size_t)(at - begin)}, &found) && text_is(found, name);
        at = after_blanks(at, end);
        if (at == end || *at != ':') {
            return false;
        }
        begin = after_blanks(at + 1, end);
        at = after_value(begin, end);
        if (at == NULL) {
            return false;
        }
        if (wanted) {
            *value = (text){begin, (size_t)(at - begin)};
            return true;
        }
        at = after_blanks(at, end);
        if (at == end || *at != ',') {
            return false;
        }
    }
    return false;
}

bool json_items(text array, text **items, size_t *count) {
    const char *end = array.at + array.length;
    const char *at = after_blanks(array.at, end);
    if (at == end || *at != '[') {
        return false;
    }
    *items = NULL;
    *count = 0;
    size_t room = 0;
    at = after_blanks(at + 1, end);
    if (at < end && *at == ']') {
        return true;
    }
    while (at < end) {
        const char *begin = at;
        at = after_value(begin, end);
        if (at == NULL || at == begin) {
            return false;
        }
        if (*count == room) {
            room = room * 2 + 8;
            *items = realloc(*items, room * sizeof **items);
            if (*items == NULL) {
                abort();
            }
        }
        (*items)[(*count)++] = (text){begin, (size_t)(at - begin)};
        at = after_blanks(at, end);
        if (at < end && *at == ']') {
            return true;
        }
        if (at == end || *at != ',') {
            return false;
        }
        at = after_blanks(at + 1, end);
    }
    return false;
}

// Four hexadecimal digits; -1 if they are not there.
static int32_t hexadecimal(const char *at, const char *end) {
    int32_t number = 0;
    if (end - at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) {
            return -1;
        }
        number = number * 16 + digit;
    }
    return number;
}

static char *put_utf8(char *to, uint32_t c) {
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xC0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *to++ = (char)(0xE0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
        *to++ = (char)(0x80 | (c & 0x3F));
    } else {
        *to++ = (char)(0xF0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3F));
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
        *to++ = (char)(0x80 | (c & 0x3F));
    }
    return to;
}

// The character of the escape whose `u` is here, of two escapes where they are a pair; NULL if it is none.
static const char *read_unicode(const char *at, const char *end, uint32_t *character) {
    int32_t first = hexadecimal(at + 1, end);
    if (first < 0 || (first >= 0xDC00 && first < 0xE000)) {
        return NULL;
    }
    *character = (uint32_t)first;
    at += 5;
    if (first < 0xD800 || first >= 0xDC00) {
        return at;
    }
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u') {
        return NULL;
    }
    int32_t second = hexadecimal(at + 2, end);
    if (second < 0xDC00 || second >= 0xE000) {
        return NULL;
    }
    *character = 0x10000 + (((uint32_t)first - 0xD800) << 10) + ((uint32_t)second - 0xDC00);
    return at + 6;
}

bool json_string(text json, text *value) {
    const char *at = json.at, *end = json.at + json.length;
    if (json.length < 2 || *at != '"' || after_string(at, end) != end) {
        return false;
    }
    // No text is longer than what stands for it.
    char *begin = malloc(json.length), *to = begin;
    if (begin == NULL) {
        abort();
    }
    for (at++, end--; at < end;) {
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
        at++;
        const char *escape = *at == '\0' ? NULL : strchr(escapes, *at);
        uint32_t character;
        if (escape != NULL) {
            *to++ = meanings[escape - escapes];
            at++;
        } else if (*at == 'u' && (at = read_unicode(at, end, &character)) != NULL) {
            to = put_utf8(to, character);
        } else {
            return false;
        }
    }
    *value = (text){begin, (size_t)(to - begin)};
    return true;
}

bool json_u32(text json, uint32_t *value) {
    uint64_t number = 0;
    for (size_t i = 0; i < json.length; i++) {
        if (json.at[i] < '0' || json.at[i] > '9') {
            return false;
        }
        number = number * 10 + (uint64_t)(json.at[i] - '0');
        if (number > UINT32_MAX) {
            return false;
        }
    }
    *value = (uint32_t)number;
    return json.length > 0;
}

text written(const writer *all) {
    return (text){all->at, all->length};
}

void write_text(writer *to, text what) {
    if (to->room - to->length < what.length) {
        to->room = (to->length + what.length) * 2;
        to->at = realloc(to->at, to->room);
        if (to->at == NULL) {
            abort();
        }
    }
    if (what.length > 0) {
        memcpy(to->at + to->length, what.at, what.length);
        to->length += what.length;
    }
}

void write_u32(writer *to, uint32_t number) {
    char digits[10];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    write_text(to, (text){digits + at, sizeof digits - at});
}

void write_json_string(writer *to, text what) {
    static const char hex[] = "0123456789abcdef";
    write_text(to, literal("\""));
    for (size_t i = 0; i < what.length; i++) {
        unsigned char c = (unsigned char)what.at[i];
        if (c == '"' || c == '\\') {
            write_text(to, (text){(char[]){'\\', (char)c}, 2});
        } else if (c < 0x20) {
            write_text(to, (text){(char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6});
        } else {
            write_text(to, (text){what.at + i, 1});
        }
    }
    write_text(to, literal("\""));
}

/* hiredis as its README shows it: blocking, one redisGetReply() for each message; the same job as tally.py.
 *
 * JSON is jansson's: of the C libraries in Debian the one that most packages depend on, before json-c. Counts are in a
 * uthash table. The whole text is decoded, and each line goes out in one unbuffered writev(), for tally.py's reasons.
 */
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <uthash.h>

#define PATTERN "tickstock:*"
#define STOP_CHANNEL "tickstock:bench:stop"

struct counter {
    char *key; /* channel, NUL, event */
    char *line_start;
    long count;
    UT_hash_handle hh;
};

static struct counter *counters;
static int file;

static void *must(void *pointer, const char *what) {
    if (pointer == NULL) {
        perror(what);
        exit(1);
    }
    return pointer;
}

static const char *event_name(const json_t *event) {
    static const char *const fields[] = {"event", "event_type", "alert_type"};
    for (size_t place = 0; place < sizeof fields / sizeof *fields; place++) {
        const char *name = json_string_value(json_object_get(event, fields[place]));
        if (name != NULL && *name)
            return name;
    }
    return "";
}

static struct counter *add_counter(const char *channel, const char *key, size_t length) {
    static const char format[] = "{\"channel\":%s,\"message\":";
    struct counter *counter = must(calloc(1, sizeof *counter), "counter");
    json_t *name = must(json_string(channel), "channel");
    char *quoted = must(json_dumps(name, JSON_ENCODE_ANY), "channel");
    size_t size = strlen(quoted) + sizeof format;
    counter->line_start = must(malloc(size), "line");
    snprintf(counter->line_start, size, format, quoted);
    counter->key = must(malloc(length), "key");
    memcpy(counter->key, key, length);
    HASH_ADD_KEYPTR(hh, counters, counter->key, length, counter);
    free(quoted);
    json_decref(name);
    return counter;
}

static struct counter *find_counter(const redisReply *channel, const char *event) {
    static char *key;
    static size_t size;
    size_t length = channel->len + 1 + strlen(event);
    struct counter *counter;
    if (length + 1 > size) {
        size = 2 * length + 1;
        key = must(realloc(key, size), "key");
    }
    memcpy(key, channel->str, channel->len + 1);
    strcpy(key + channel->len + 1, event);
    HASH_FIND(hh, counters, key, length, counter);
    return counter != NULL ? counter : add_counter(channel->str, key, length);
}

/* Does the whole job for one message; what is not JSON is passed over. */
static void take(const redisReply *channel, const redisReply *text) {
    json_t *event = json_loadb(text->str, text->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (event == NULL)
        return;
    struct counter *counter = find_counter(channel, event_name(event));
    json_decref(event);
    counter->count++;
    struct iovec line[] = {
        {counter->line_start, strlen(counter->line_start)},
        {text->str, text->len},
        {"}\n", 2},
    };
    if (writev(file, line, 3) != (ssize_t)(line[0].iov_len + line[1].iov_len + line[2].iov_len)) {
        perror("archive");
        exit(1);
    }
}

int main(int count, char **words) {
    if (count != 3) {
        fprintf(stderr, "usage: %s PORT ARCHIVE\n", words[0]);
        return 2;
    }
    file = open(words[2], O_WRONLY | O_APPEND | O_CREAT, 0666);
    if (file < 0) {
        perror(words[2]);
        return 1;
    }
    redisContext *server = must(redisConnect("127.0.0.1", atoi(words[1])), "redisConnect");
    redisReply *reply = server->err ? NULL : redisCommand(server, "PSUBSCRIBE %s", PATTERN);
    while (reply != NULL && reply->type == REDIS_REPLY_ARRAY) {
        if (reply->elements == 3) { /* psubscribe, pattern, 1 */
            puts("READY");
            fflush(stdout);
        } else if (reply->elements == 4) { /* pmessage, pattern, channel, text */
            if (strcmp(reply->element[2]->str, STOP_CHANNEL) == 0)
                break;
            take(reply->element[2], reply->element[3]);
        }
        freeReplyObject(reply);
        if (redisGetReply(server, (void **)&reply) != REDIS_OK)
            reply = NULL;
    }
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
        fprintf(stderr, "no more messages: %s\n", reply ? reply->str : server->errstr);
        return 1;
    }
    long total = 0;
    for (const struct counter *one = counters; one != NULL; one = one->hh.next)
        total += one->count;
    printf("DONE %ld\n", total);
    fflush(stdout);
    getchar();
    return 0;
}

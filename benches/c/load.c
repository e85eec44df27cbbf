/*
 * Sends pings of 1,400 bytes to a memberlist node on this machine that is named `bench`, and counts the acks.
 *
 *   load PORT SECONDS [single]
 *
 * Prints ANSWERED SECONDS. Pings are handed to the system many in one piece, which cuts them apart (UDP_SEGMENT), and acks are
 * taken so (UDP_GRO), so that the load takes little of the machine it shares with what it measures. Each is a datagram
 * of its own to whoever did not ask for the same. With `single` each ping is handed over by a call of its own, as most
 * peers do. So many are under way that buffers of usual size hold them; what is lost is given up after a while.
 */
#define _GNU_SOURCE
#include "datagrams.h"

#define BURST 32
#define UNDER_WAY 64

/* The acks in a slot. The first have news of the node with them. */
static unsigned acks(const uint8_t *bytes, size_t len, size_t size) {
    unsigned count = 0;
    size_t at;
    for (at = 0; at < len; at += size, count++)
        if (bytes[at] != ACK && bytes[at] != COMPOUND) fail("an answer that is no ack");
    return count;
}

static int connected(uint16_t port) {
    struct sockaddr_in to;
    struct timeval patience = {0, 20000};
    uint16_t own;
    int fd = bound(&own);
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(port);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) fail("connect");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static void cut_apart(int fd) {
    int size = DATAGRAM;
    if (setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof size) != 0) fail("UDP_SEGMENT");
}

/* A burst of pings in pieces of so many bytes. Returns how many pings the system took. */
static unsigned send_burst(int fd, const uint8_t *pings, size_t piece) {
    size_t at;
    for (at = 0; at < BURST * DATAGRAM; at += piece)
        if (send(fd, pings + at, piece, 0) < 0) break;
    return (unsigned)(at / DATAGRAM);
}

int main(int count, char **arguments) {
    static uint8_t pings[BURST * DATAGRAM], slots[SLOTS * SLOT];
    static struct intake in;
    uint64_t start, last, answered = 0;
    unsigned under_way = 0;
    double seconds;
    int fd, i, single = count == 4 && strcmp(arguments[3], "single") == 0;
    if (count != 3 && !single) return 2;
    fd = connected((uint16_t)atoi(arguments[1]));
    if (!single) cut_apart(fd);
    seconds = atof(arguments[2]);
    for (i = 0; i < BURST; i++) ping(pings + i * DATAGRAM);
    for (start = last = now(); (double)(last - start) < seconds * 1e9; last = now()) {
        unsigned taken = 0, sent = BURST;
        int got;
        while (under_way + BURST <= UNDER_WAY && sent > 0)
            under_way += sent = send_burst(fd, pings, single ? DATAGRAM : sizeof pings);
        got = take(fd, &in, slots, MSG_WAITFORONE);
        for (i = 0; i < got; i++) taken += acks(slots + i * SLOT, in.headers[i].msg_len, size_in(&in, i));
        under_way -= got <= 0 || taken > under_way ? under_way : taken; /* nothing for so long: they were lost */
        answered += taken;
    }
    printf("%llu %.6f\n", (unsigned long long)answered, (double)(last - start) / 1e9);
    return 0;
}

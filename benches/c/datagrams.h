/* What the load and the loops under it have in common: the messages, and how many arrive by one call. */
#ifndef BENCH_DATAGRAMS_H
#define BENCH_DATAGRAMS_H

#include <arpa/inet.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define DATAGRAM 1400
#define SLOT 65536 /* room for what the system joins, or for the longest datagram */
#define SLOTS 8
#define SEGMENTS 64 /* as many datagrams are joined at most */

static inline void fail(const char *what) {
    perror(what);
    exit(1);
}

static inline uint64_t clock_ns(clockid_t which) {
    struct timespec t;
    clock_gettime(which, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t now(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

/* ---- The messages ---------------------------------------------------------------------------------------------- */

enum { PING = 0, ACK = 2, COMPOUND = 7 }; /* the first byte of memberlist's messages */

static inline size_t put(uint8_t *to, size_t at, const char *text) {
    to[at] = (uint8_t)(0xa0 | strlen(text)); /* msgpack: a short string */
    memcpy(to + at + 1, text, strlen(text));
    return at + 1 + strlen(text);
}

/* The last field: as many bytes as are left. */
static inline void fill(uint8_t to[DATAGRAM], size_t at, const char *field) {
    at = put(to, at, field);
    to[at++] = 0xda; /* a string with a length of 16 bits */
    to[at] = (uint8_t)((DATAGRAM - at - 2) >> 8);
    to[at + 1] = (uint8_t)(DATAGRAM - at - 2);
    for (at += 2; at < DATAGRAM; at++) to[at] = (uint8_t)('a' + at % 26);
}

/* A ping to a member named `bench`, with a long field that nobody knows. */
static inline void ping(uint8_t to[DATAGRAM]) {
    size_t at = 0;
    to[at++] = PING;
    to[at++] = 0x83; /* a map of 3 */
    at = put(to, at, "SeqNo");
    to[at++] = 7;
    at = put(to, at, "Node");
    at = put(to, at, "bench");
    fill(to, at, "Filling");
}

/* ---- Sockets --------------------------------------------------------------------------------------------------- */

/* A socket on any port of this machine, to which the system may hand many datagrams in one piece. */
static inline int bound(uint16_t *port) {
    struct sockaddr_in addr;
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 4 << 20, on = 1;
    memset(&addr, 0, sizeof addr);
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0) fail("bind");
    getsockname(fd, (struct sockaddr *)&addr, &len);
    *port = ntohs(addr.sin_port);
    return fd;
}

/* Room for one control message of an integer. */
union control {
    size_t aligned;
    char bytes[CMSG_SPACE(sizeof(int))];
};

/* What arrives by one call. */
struct intake {
    struct mmsghdr headers[SLOTS];
    struct iovec parts[SLOTS];
    struct sockaddr_in addrs[SLOTS];
    union control controls[SLOTS];
};

/* Fills slots; returns how many, or what recvmmsg says. */
static inline int take(int fd, struct intake *in, uint8_t *slots, int flags) {
    size_t i;
    for (i = 0; i < SLOTS; i++) {
        struct msghdr *message = &in->headers[i].msg_hdr;
        in->parts[i].iov_base = slots + i * SLOT;
        in->parts[i].iov_len = SLOT;
        message->msg_iov = &in->parts[i];
        message->msg_iovlen = 1;
        message->msg_name = &in->addrs[i];
        message->msg_namelen = sizeof in->addrs[i];
        message->msg_control = in->controls[i].bytes;
        message->msg_controllen = sizeof in->controls[i].bytes;
    }
    return recvmmsg(fd, in->headers, SLOTS, flags, NULL);
}

/* The size of the datagrams in a slot; the last may be shorter. */
static inline size_t size_in(struct intake *in, int slot) {
    struct cmsghdr *header = CMSG_FIRSTHDR(&in->headers[slot].msg_hdr);
    int size = (int)in->headers[slot].msg_len;
    if (header && header->cmsg_level == SOL_UDP && header->cmsg_type == UDP_GRO)
        memcpy(&size, CMSG_DATA(header), sizeof size);
    return (size_t)size;
}

#endif

/* Lets the nth send or recv on an internet socket fail; laid before the C library (LD_PRELOAD).
 *
 * FAIL_CALL  send | recv
 * FAIL_HOW   EIO | ENOSPC | EINTR | SHORT (half of it is done) | KILL
 * FAIL_WHEN  the number of the call, from 1
 * FAIL_LOG   a file that gets a line when it happened
 *
 * strace could do it for all calls of a kind only, and asyncio wakes itself up over a socket pair.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int calls;

static const char *due(int fd, const char *call)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    const char *wanted = getenv("FAIL_CALL"), *when = getenv("FAIL_WHEN");
    const char *log = getenv("FAIL_LOG");

    if (!wanted || !when || !log || strcmp(wanted, call) != 0)
        return NULL;
    if (getsockname(fd, (struct sockaddr *)&name, &size) != 0 || name.ss_family != AF_INET)
        return NULL;
    if (__atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST) != atoi(when))
        return NULL;
    int place = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (place < 0 || write(place, "fired\n", 6) != 6)
        abort();
    close(place);
    return getenv("FAIL_HOW");
}

/* Returns 1 when the call is to fail; `size` becomes what it may do. */
static int fails(int fd, const char *call, size_t *size)
{
    const char *how = due(fd, call);

    if (!how)
        return 0;
    if (strcmp(how, "KILL") == 0)
        kill(getpid(), SIGKILL);
    if (strcmp(how, "SHORT") == 0) {
        *size = *size > 1 ? *size / 2 : *size;
        return 0;
    }
    errno = strcmp(how, "EINTR") == 0 ? EINTR : strcmp(how, "ENOSPC") == 0 ? ENOSPC : EIO;
    return 1;
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
    ssize_t (*real)(int, const void *, size_t, int) = dlsym(RTLD_NEXT, "send");

    return fails(fd, "send", &size) ? -1 : real(fd, data, size, flags);
}

ssize_t recv(int fd, void *data, size_t size, int flags)
{
    ssize_t (*real)(int, void *, size_t, int) = dlsym(RTLD_NEXT, "recv");

    return fails(fd, "recv", &size) ? -1 : real(fd, data, size, flags);
}

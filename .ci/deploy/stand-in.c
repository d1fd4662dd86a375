// Stands in for a worker, in tests of the files that run one. It is alive at HEALTH_ADDRESS, notifies systemd, and ends with 0 after
// SIGTERM. `--health` exits with 0 if one is alive there, else with 1.

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_in health_address(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    const char *text = getenv("HEALTH_ADDRESS");
    char host[16];
    unsigned short port;
    if (text == NULL || sscanf(text, "%15[0-9.]:%hu", host, &port) != 2 || inet_aton(host, &address.sin_addr) == 0) {
        fprintf(stderr, "HEALTH_ADDRESS is not an address with a port\n");
        exit(2);
    }
    address.sin_port = htons(port);
    return address;
}

// https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
static void notify(const char *state) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    if (path == NULL) return;
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (path[0] == '@') address.sun_path[0] = '\0';
    int connection = socket(AF_UNIX, SOCK_DGRAM, 0);
    socklen_t length = offsetof(struct sockaddr_un, sun_path) + strlen(path);
    if (sendto(connection, state, strlen(state), 0, (struct sockaddr *)&address, length) < 0) perror("NOTIFY_SOCKET");
    close(connection);
}

// Notifies the watchdog twice in its time, or waits for a signal alone.
static int wait_for(const sigset_t *stop) {
    const char *watchdog = getenv("WATCHDOG_USEC");
    long microseconds = watchdog == NULL ? 1000000 : atol(watchdog) / 2;
    struct timespec interval = {microseconds / 1000000, microseconds % 1000000 * 1000};
    int received;
    while ((received = sigtimedwait(stop, NULL, &interval)) < 0) {
        if (errno != EAGAIN && errno != EINTR) return 1;
        notify("WATCHDOG=1");
    }
    return received == SIGTERM ? 0 : 1;
}

int main(int count, char **arguments) {
    struct sockaddr_in address = health_address();
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    if (count == 2 && strcmp(arguments[1], "--health") == 0)
        return connect(connection, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : 1;

    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    int again = 1;
    setsockopt(connection, SOL_SOCKET, SO_REUSEADDR, &again, sizeof again);
    if (bind(connection, (struct sockaddr *)&address, sizeof address) != 0 || listen(connection, 8) != 0) {
        perror("HEALTH_ADDRESS");
        return 1;
    }
    notify("READY=1");
    int code = wait_for(&stop);
    notify("STOPPING=1");
    return code;
}

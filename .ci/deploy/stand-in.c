// Stands in for a worker, in tests of the image: it is alive at HEALTH_ADDRESS, and ends with 0 after SIGTERM. `--health` exits with 0
// if one is alive there, else with 1.

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

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

int main(int count, char **arguments) {
    struct sockaddr_in address = health_address();
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    if (count == 2 && strcmp(arguments[1], "--health") == 0)
        return connect(connection, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : 1;

    sigset_t stop;
    int received;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    if (bind(connection, (struct sockaddr *)&address, sizeof address) != 0 || listen(connection, 8) != 0) {
        perror("HEALTH_ADDRESS");
        return 1;
    }
    return sigwait(&stop, &received) == 0 ? 0 : 1;
}

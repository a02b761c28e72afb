/* A Modbus slave on libmodbus, so that somebody else's idea of the protocol meets our master.

   libmodbus_slave SECONDS_MAX rtu UNIT     one unit on a pty of its own
   libmodbus_slave SECONDS_MAX tcp          all units on a free port of 127.0.0.1

   The first line it prints is the pty's path, or the port. It ends with its parent, and after SECONDS_MAX.
   Registers are typed from the devices' manuals. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <modbus.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

enum { DUST = 1, QDY30A = 2, RELAYS = 3, UNITS = 4 };

static modbus_mapping_t *maps[UNITS];

static void die(const char *what) {
    fprintf(stderr, "libmodbus_slave: %s: %s\n", what, modbus_strerror(errno));
    exit(1);
}

static void fill(void) {
    /* Dust station, from 0x01F4: wind 2.1 m/s, force 1, sector 2, 110 deg, 55.0 %RH, -1.0 Cel, 58.3 dB,
       PM2.5 61, PM10 152, TSP 201 ug/m3, 101.3 kPa. */
    static const uint16_t dust[11] = {0x0015, 0x0001, 0x0002, 0x006E, 0x0226, 0xFFF6,
                                      0x0247, 0x003D, 0x0098, 0x00C9, 0x03F5};
    /* QDY30A: address, baud code (3 = 9600), unit 13H = kPa, 2 decimals, value -1.25, zero 0, span 1000. */
    static const uint16_t qdy30a[7] = {2, 3, 0x0013, 2, (uint16_t)-125, 0, 1000};
    maps[DUST] = modbus_mapping_new_start_address(0, 0, 0, 0, 0x01F4, 11, 0, 0);
    maps[QDY30A] = modbus_mapping_new_start_address(0, 0, 0, 0, 0, 16, 0, 0);
    maps[RELAYS] = modbus_mapping_new_start_address(0, 8, 0, 0, 0, 0, 0, 0);
    if (!maps[DUST] || !maps[QDY30A] || !maps[RELAYS]) die("no memory");
    memcpy(maps[DUST]->tab_registers, dust, sizeof dust);
    memcpy(maps[QDY30A]->tab_registers, qdy30a, sizeof qdy30a);
    maps[RELAYS]->tab_bits[2] = 1; /* relay 3 is on */
}

static void serve(modbus_t *ctx, int unit_offset) {
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    for (;;) {
        int length = modbus_receive(ctx, query);
        if (length < 0) return;
        if (length == 0) continue; /* for another unit */
        int unit = query[unit_offset];
        if (unit > 0 && unit < UNITS && modbus_reply(ctx, query, length, maps[unit]) < 0) return;
    }
}

static void serve_rtu(int unit) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) || unlockpt(master)) die("no pty");
    /* Kept open, so that a master may come and go without a hang-up. */
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    struct termios raw;
    if (slave < 0 || tcgetattr(slave, &raw)) die("no terminal");
    cfmakeraw(&raw);
    if (tcsetattr(slave, TCSANOW, &raw)) die("no raw terminal");
    modbus_t *ctx = modbus_new_rtu(ptsname(master), 9600, 'N', 8, 1);
    if (!ctx || modbus_set_slave(ctx, unit) || modbus_set_socket(ctx, master)) die("no context");
    /* After a request to another unit libmodbus takes what follows within this time for that unit's answer. */
    if (modbus_set_response_timeout(ctx, 0, 20000)) die("no time limit");
    printf("%s\n", ptsname(master));
    fflush(stdout);
    for (;;) serve(ctx, 0); /* a harmed request is forgotten */
}

static void serve_tcp(void) {
    modbus_t *ctx = modbus_new_tcp("127.0.0.1", 0);
    int listening = ctx ? modbus_tcp_listen(ctx, 1) : -1;
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (listening < 0 || getsockname(listening, (struct sockaddr *)&address, &size)) die("cannot listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    while (modbus_tcp_accept(ctx, &listening) >= 0) {
        serve(ctx, 6);
        modbus_close(ctx);
    }
}

int main(int count, char **words) {
    if (count < 3 || atoi(words[1]) < 1) {
        fprintf(stderr, "usage: libmodbus_slave SECONDS_MAX rtu UNIT | tcp\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm((unsigned)atoi(words[1]));
    fill();
    if (strcmp(words[2], "tcp") == 0) serve_tcp();
    else if (count == 4 && atoi(words[3]) > 0 && atoi(words[3]) < UNITS) serve_rtu(atoi(words[3]));
    return 1;
}

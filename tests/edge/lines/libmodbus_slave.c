/* A Modbus slave on libmodbus, so that somebody else's idea of the protocol meets our master.

   libmodbus_slave SECONDS_MAX list                 the names of all strangers, a line each
   libmodbus_slave SECONDS_MAX rtu STRANGER UNIT    one unit on a pty of its own
   libmodbus_slave SECONDS_MAX tcp STRANGER UNIT    one unit on a free port of 127.0.0.1

   The first line that rtu and tcp print is the pty's path, or the port. They end with their parent, and after
   SECONDS_MAX. A new stranger is an entry in the table below, typed from the device's manual and not from our
   profile, and the values that it means, in test_strangers.py. */

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

typedef struct {
    int from, count;
    const uint16_t *values;
} span_t;

typedef struct {
    const char *name;
    span_t coils, discrete_inputs, holding_registers, input_registers;
} stranger_t;

#define FROM(address, ...) \
    {address, sizeof((uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t), (const uint16_t[]){__VA_ARGS__}}

static const stranger_t strangers[] = {
    /* Renke dust and weather stations, register table: 11 registers from 0x01F4. Wind x 10, force, sector of 8,
       degrees, RH x 10, Cel x 10 signed, dB x 10, PM2.5, PM10, TSP, kPa x 10; the values of its example answer. */
    {"renke_dust", .holding_registers = FROM(0x01F4, 0x0015, 0x0001, 0x0002, 0x006E, 0x0226, 0xFFF6, 0x0247,
                                             0x003D, 0x0098, 0x00C9, 0x03F5)},
    /* DFRobot SEN0658, registers of its wiki page: the same base, but wind x 100, pressure at 0x01FD and lux as
       two words at 0x01FE; the values that a capture of one holds. */
    {"sen0658", .holding_registers = FROM(0x01F4, 0x000E, 0x0001, 0x0002, 0x006E, 0x01C3, 0x00F6, 0x0206, 0x0005,
                                          0x000F, 0x03FB, 0x0000, 0x0032)},
    /* QDY30A, register table of its users: 0 address, 1 baud code (3 = 9600), 2 unit (13H = kPa), 3 decimals,
       4 value, 5 zero, 6 span; here -1.25 kPa. What follows to 0x000F is free. */
    {"qdy30a", .holding_registers = FROM(0, 2, 3, 0x0013, 2, (uint16_t)-125, 0, 1000, 0, 0, 0, 0, 0, 0, 0, 0, 0)},
    /* Waveshare Modbus RTU Relay, development protocol: relays 1 to 8 are coils 0 to 7; here relay 3 is on. */
    {"waveshare_relay_8", .coils = FROM(0, 0, 0, 1, 0, 0, 0, 0, 0)},
    /* RS485 water gauge, its published reply 02 03 02 00 1F: register 0, centimetres. */
    {"water_gauge", .holding_registers = FROM(0, 0x001F)},
    /* WitMotion WT901C485, protocol: roll, pitch, yaw from 0x3D, int16 / 32768 x 180 degrees; here a quarter of
       the whole range, minus an eighth, and its very end. */
    {"wt901c485", .holding_registers = FROM(0x3D, 0x2000, 0xF000, 0x8000)},
    /* XY-MD02, its manual: input registers 0x0001 temperature x 10, signed, and 0x0002 humidity x 10; the manual's
       examples FF33H = -20.5 and 222H = 54.6. */
    {"xy_md02", .input_registers = FROM(0x0001, 0xFF33, 0x0222)},
    /* Eastron SDM630, Modbus protocol, parameters 30001 to 30075 = 0x0000 to 0x004A, a float in two registers each:
       230.2 V, 231.68489 V (as captured), 228 V; 1.5, 0, 10 A; 345, 0, -1300 W; at 0x34 total power 1234.5 W, at
       0x3E power factor -0.5, at 0x46 50 Hz, 8123.25 kWh in, 0.5 kWh out. All between is 0 here. */
    {"sdm630", .input_registers = FROM(0x0000, 0x4366, 0x3333, 0x4367, 0xAF55, 0x4364, 0x0000, 0x3FC0, 0x0000, 0, 0,
                                       0x4120, 0x0000, 0x43AC, 0x8000, 0, 0, 0xC4A2, 0x8000, [0x34] = 0x449A, 0x5000,
                                       [0x3E] = 0xBF00, 0x0000, [0x46] = 0x4248, 0x0000, 0x45FD, 0xDA00, 0x3F00, 0)},
    /* SolarEdge, power control protocol: 0xF001 limit in percent, 0xF002 CosPhi, low word first; a reply that has
       been published, 0000 3F80, is 1.0. */
    {"solaredge_inverter", .holding_registers = FROM(0xF001, 100, 0x0000, 0x3F80)},
    /* TriOS RAMSES G2, registers as a published driver (pytrios2) reads them: 0 unit id, 1 measuring time-out, 2 deep
       sleep time-out in s, 2013 inclination and 2030 temperature as floats; here 1.25 deg and 21.5 Cel. */
    {"ramses_g2", .holding_registers = FROM(0, 1, 0, 60, [2013] = 0x3FA0, 0x0000, [2030] = 0x41AC, 0x0000)},
    /* Plain 8-channel relay modules, the command list of their sellers: relays 1 to 8 are coils 0 to 7; here the
       first and the last are on. */
    {"relay_board_8", .coils = FROM(0, 1, 0, 0, 0, 0, 0, 0, 1)},
    /* Single-lamp controller, this project's own map: 16 registers from 0x5000. Commanded 70 %, by default 100 %, is at
       70 %, status bits 0 and 4, 230.0 V, 0.501 A, 111.1 W, PF 0.960, -4.0 Cel, 7 losses of supply; as two words each
       100000 times on, 4001.1 h, 1234.567 kWh. */
    {"street_lamp_controller", .holding_registers = FROM(0x5000, 70, 100, 70, 0x0011, 2300, 501, 1111, 960,
                                                         (uint16_t)-40, 7, 0x0001, 0x86A0, 0, 40011, 0x0012, 0xD687)},
    /* Waveshare Modbus RTU IO 8CH, development protocol: inputs 1 to 8 are discrete inputs 0 to 7, outputs coils 0 to
       7; here inputs 1 and 6 and output 8 are on. */
    {"waveshare_io_8", .discrete_inputs = FROM(0, 1, 0, 0, 0, 0, 1, 0, 0), .coils = FROM(0, 0, 0, 0, 0, 0, 0, 0, 1)},
    /* DFRobot SEN0644, register table of its wiki page: 0x0002 high and 0x0003 low word of the illuminance; here
       3425.5 lx. */
    {"sen0644", .holding_registers = FROM(0x0002, 0x0034, 0x44DC)},
    /* No device: all four tables, for the functions that no device above knows. */
    {"tables", .coils = FROM(0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1), .discrete_inputs = FROM(8, 1, 1, 0),
     .holding_registers = FROM(0x10, 0x0012, 1, 2, 3, 4, 5, 6, 7), .input_registers = FROM(4, 0x8001, 0x7FFF)},
};
enum { STRANGERS = sizeof strangers / sizeof strangers[0] };

static void die(const char *what) {
    fprintf(stderr, "libmodbus_slave: %s: %s\n", what, modbus_strerror(errno));
    exit(1);
}

static const stranger_t *named(const char *name) {
    for (int index = 0; index < STRANGERS; index++)
        if (strcmp(strangers[index].name, name) == 0) return &strangers[index];
    fprintf(stderr, "libmodbus_slave: no stranger is called %s\n", name);
    exit(2);
}

static void fill_bits(uint8_t *bits, span_t span) {
    for (int index = 0; index < span.count; index++) bits[index] = (uint8_t)span.values[index];
}

static void fill_registers(uint16_t *registers, span_t span) {
    for (int index = 0; index < span.count; index++) registers[index] = span.values[index];
}

static modbus_mapping_t *filled(const stranger_t *it) {
    modbus_mapping_t *map = modbus_mapping_new_start_address(
        it->coils.from, it->coils.count, it->discrete_inputs.from, it->discrete_inputs.count,
        it->holding_registers.from, it->holding_registers.count, it->input_registers.from, it->input_registers.count);
    if (!map) die("no memory");
    fill_bits(map->tab_bits, it->coils);
    fill_bits(map->tab_input_bits, it->discrete_inputs);
    fill_registers(map->tab_registers, it->holding_registers);
    fill_registers(map->tab_input_registers, it->input_registers);
    return map;
}

static void serve(modbus_t *ctx, modbus_mapping_t *map, int unit, int unit_at) {
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    for (;;) {
        int length = modbus_receive(ctx, query);
        if (length < 0) return;
        if (length == 0) continue;
        if (query[unit_at] != unit && query[unit_at] != MODBUS_BROADCAST_ADDRESS) continue; /* for another unit */
        if (modbus_reply(ctx, query, length, map) < 0) return;
    }
}

static void serve_rtu(modbus_mapping_t *map, int unit) {
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
    for (;;) serve(ctx, map, unit, 0); /* a harmed request is forgotten */
}

static void serve_tcp(modbus_mapping_t *map, int unit) {
    modbus_t *ctx = modbus_new_tcp("127.0.0.1", 0);
    int listening = ctx ? modbus_tcp_listen(ctx, 1) : -1;
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (listening < 0 || getsockname(listening, (struct sockaddr *)&address, &size)) die("cannot listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    while (modbus_tcp_accept(ctx, &listening) >= 0) {
        serve(ctx, map, unit, 6);
        modbus_close(ctx);
    }
}

int main(int count, char **words) {
    int list = count == 3 && strcmp(words[2], "list") == 0;
    if (!list && (count != 5 || atoi(words[1]) < 1 || atoi(words[4]) < 1)) {
        fprintf(stderr, "usage: libmodbus_slave SECONDS_MAX list | rtu STRANGER UNIT | tcp STRANGER UNIT\n");
        return 2;
    }
    if (list) {
        for (int index = 0; index < STRANGERS; index++) printf("%s\n", strangers[index].name);
        return 0;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm((unsigned)atoi(words[1]));
    modbus_mapping_t *map = filled(named(words[3]));
    if (strcmp(words[2], "tcp") == 0) serve_tcp(map, atoi(words[4]));
    else if (strcmp(words[2], "rtu") == 0) serve_rtu(map, atoi(words[4]));
    return 1;
}

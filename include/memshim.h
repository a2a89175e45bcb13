/* The segment of memshim in C: for readers written in other languages than Rust.
 *
 * The layout is defined, drawn and explained in abi/src; this header says the same in C, and a test
 * (tests/tests/abi_header.rs) compares every number with the crate.
 *
 * How to read a segment:
 *   1. Load word MEMSHIM_AT_MAGIC with acquire semantics and compare it with MEMSHIM_MAGIC_WORD.
 *   2. Find the regions in the region table at MEMSHIM_AT_REGIONS; look only at rows below both
 *      `used` and `ready`.
 *   3. A row's first word is its publication: load it first, with acquire; 0 means "not yet".
 *   4. Look at a slot's first word again after copying it; if it changed, copy again.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MEMSHIM_H
#define MEMSHIM_H

#include <stdint.h>

#define MEMSHIM_LAYOUT_VERSION UINT64_C(3)
#define MEMSHIM_MAGIC UINT64_C(0x4d48534d454d) /* "MEMSHM" */
#define MEMSHIM_MAGIC_WORD (MEMSHIM_MAGIC | MEMSHIM_LAYOUT_VERSION << 48)
#define MEMSHIM_BYTE_ORDER UINT64_C(0x0102030405060708)
#define MEMSHIM_HEADER_WORDS 1024

/* Places of the header's words; abi/src/header.rs says what each holds. */
enum {
    MEMSHIM_AT_MAGIC = 0,
    MEMSHIM_AT_BYTE_ORDER = 1,
    MEMSHIM_AT_SEGMENT_BYTES = 2,
    MEMSHIM_AT_PIDS = 3,
    MEMSHIM_AT_START_TIME = 4,
    MEMSHIM_AT_BOOT_ID = 5,
    MEMSHIM_AT_IDS = 7,
    MEMSHIM_AT_ORIGIN = 8,
    MEMSHIM_AT_STATE = 9,
    MEMSHIM_AT_CLOCK_KIND = 11,
    MEMSHIM_AT_PAIR_COUNT = 12,
    MEMSHIM_AT_FIRST_PAIR = 13,
    MEMSHIM_AT_PAIRS = 16,
    MEMSHIM_AT_HEARTBEAT = 20,
    MEMSHIM_AT_INTERVAL = 21,
    MEMSHIM_AT_LIVE_BYTES = 24,
    MEMSHIM_AT_LIVE_OBJECTS = 25,
    MEMSHIM_AT_PEAK_EPOCH = 26,
    MEMSHIM_AT_PEAK_BYTES = 27,
    MEMSHIM_AT_CPU_NS = 38,
    MEMSHIM_AT_COST_NS = 39,
    MEMSHIM_AT_BUDGET = 40,
    MEMSHIM_AT_REJECTED = 41,
    MEMSHIM_AT_TIMELINE = 42,
    MEMSHIM_AT_GO = 43,
    MEMSHIM_AT_GO_RATE = 44,
    MEMSHIM_AT_REGIONS = 64,
    MEMSHIM_AT_COUNTERS = 128,
    MEMSHIM_AT_INTERVALS = 256,
    MEMSHIM_AT_LIMIT_BYTES = 512,
    MEMSHIM_AT_LIMIT_WHOSE = 513, /* 1 control group, 2 address space */
    MEMSHIM_AT_RESIDENT_BYTES = 514,
    MEMSHIM_AT_MAPPED_BYTES = 515,
    MEMSHIM_AT_GO_SET = 516, /* mean bytes between samples of a Go runtime, set by the shim; 0: none */
    /* What a Go runtime says of itself; 0 for each that is not known. */
    MEMSHIM_AT_GO_COLLECTIONS = 517,
    MEMSHIM_AT_GO_LAST_PAUSE = 518, /* ns */
    MEMSHIM_AT_GO_PAUSES = 519, /* ns, of all collections */
    MEMSHIM_AT_GO_LAST_COLLECTION = 520, /* ns since 1970 */
    MEMSHIM_AT_GO_GOAL = 521, /* bytes at which the next collection is due */
    MEMSHIM_AT_GO_GOROUTINES = 522
};

/* One entry of the region table. */
struct memshim_region {
    uint64_t offset_bytes;
    uint64_t capacity_rows;
    uint64_t row_words;
    uint64_t used_rows;
    uint64_t ready_rows;
    uint64_t reserved[3];
};

/* The regions, in the order of the table. */
enum {
    MEMSHIM_STRINGS,
    MEMSHIM_MODULES,
    MEMSHIM_THREADS,
    MEMSHIM_TIMELINE,
    MEMSHIM_SITES,
    MEMSHIM_FRAMES,
    MEMSHIM_RING,
    MEMSHIM_SLOTS,
    MEMSHIM_REGION_COUNT
};

/* A loaded object; state: 1 loaded, 2 unloaded. A string is its first word | length << 32. */
struct memshim_module {
    uint64_t state;
    uint64_t start, end, bias;
    uint64_t loaded_ticks, unloaded_ticks;
    uint64_t path;
    uint64_t build_id_len;
    uint8_t build_id[32];
    uint64_t reserved[4];
};

/* A thread. */
struct memshim_thread {
    uint64_t tid;
    char name[16];
    uint64_t started_ticks, ended_ticks;
    uint64_t bytes;
    uint64_t sampled;
    uint64_t foreign_frees;
    int64_t pending_bytes, pending_objects; /* not yet in the header's live totals */
    uint64_t reserved[6];
};

/* How much was live at one moment; `ticks` is 0 while the row is being written, so look at it again
 * after copying. The word MEMSHIM_AT_TIMELINE holds the rows in use | thinnings << 32; the number of
 * thinnings is odd during one, and a copy is of one moment if it did not change meanwhile. */
struct memshim_point {
    uint64_t ticks;
    int64_t live_bytes, live_objects; /* weighted; objects in 1/1024 */
    uint64_t asked_bytes;             /* by all threads so far; 0 where they are too many to add up */
};

/* Sums over drawn blocks; objects in 1/1024, variances are doubles. */
struct memshim_totals {
    uint64_t objects, bytes;
    uint64_t raw_objects, raw_bytes;
    double objects_variance, bytes_variance;
};

/* A call stack that allocates, with its running totals; one stack may have several rows, which are
 * to be added. Certain blocks stand for themselves alone, drawn ones for others too. */
struct memshim_site {
    uint64_t key; /* stack hash, xor (writer * 0x9e3779b97f4a7c15) << 1 */
    uint32_t first_frame;
    uint16_t depth, flags;
    uint64_t peak_epoch;
    uint64_t last_ticks;
    uint64_t certain_born, certain_born_bytes;
    uint64_t certain_died, certain_died_bytes;
    uint32_t modules, writer;
    uint64_t made_ticks;
    uint64_t reallocs, foreign_deaths;
    int64_t peak_bytes, peak_objects;
    double peak_bytes_variance, peak_objects_variance;
    struct memshim_totals drawn_born, drawn_died;
    uint64_t sizes[28];
    uint64_t lifetimes[40];
};

/* A sampled block; state is the low byte of `head`: 2 live, 3 inside realloc, 4 freed,
 * 5 found dead. */
struct memshim_slot {
    uint64_t head;
    uint64_t address;
    uint64_t size_bytes;
    uint64_t birth_ticks, death_ticks;
    uint32_t site, thread;
    uint32_t slack_bytes;
    uint8_t interval_exponent, kind;
    uint16_t writer;
    uint64_t freed_by;
};

/* A chunk of events. */
struct memshim_chunk {
    uint64_t lease;
    uint64_t committed;
    uint64_t reserved[6];
    uint64_t events[510][4];
};

#if defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
_Static_assert(sizeof(struct memshim_region) == 8 * 8, "region");
_Static_assert(sizeof(struct memshim_module) == 16 * 8, "module");
_Static_assert(sizeof(struct memshim_thread) == 16 * 8, "thread");
_Static_assert(sizeof(struct memshim_point) == 4 * 8, "point");
_Static_assert(sizeof(struct memshim_site) == 96 * 8, "site");
_Static_assert(sizeof(struct memshim_slot) == 8 * 8, "slot");
_Static_assert(sizeof(struct memshim_chunk) == 2048 * 8, "chunk");
#endif

#endif

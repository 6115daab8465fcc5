/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what a machine consists of, and the tables of what it can consist of.
 *
 * Locking: `lock` guards what is below it. It is never held while a device or a vcpu is called but
 * for kick(), and taken by devices only through the machine's vm_power.
 */
#pragma once

#include <jansson.h>
#include <pthread.h>
#include <signal.h>

#include "base/loop.h"
#include "debug/debug.h"
#include "device/console.h"
#include "machine/machine.h"
#include "machine/snapshot-folder.h"
#include "vm/vm.h"

#define MACHINE_SLOTS_MAX      64
#define MACHINE_PRESSURE_FILES 2
#define MACHINE_LOOP_LISTS_MAX 2

struct aml; /* aml.h */
struct machine_tree; /* tree.h */
struct disk_engine;
struct machine_debugger; /* debugger.h */
struct machine_monitor; /* monitor.h */
struct porter; /* porter.h */

/* Where a board puts a device. */
struct machine_place {
	uint64_t start, size;
	unsigned irq; /* number at the interrupt controller; 0: none */
};

/*
 * A kind of device that a board has: a row of its table. Devices are opened in the order of the
 * rows, and reset and closed the other way round, when no vcpu and no event loop runs any more.
 */
struct machine_slot {
	const char *name; /* "uart" */
	struct machine_place place;
	/* How many the machine gets. NULL: one. */
	unsigned (*count)(const struct machine_config *config);
	/* Make number `index`, and put it on the bus. What *ret is when that fails is closed. */
	int (*open)(struct machine *machine, unsigned index, const struct machine_place *place,
		void **ret, struct error *err);
	/* All vcpus stand, and the guest starts anew. NULL: there is nothing to forget. */
	void (*reset)(void *device);
	void (*close)(void *device);
	/* What a snapshot keeps of it. NULL: nothing. */
	struct vm_saved *(*saved)(void *device);
	/* And behind that. NULL, or it returns NULL: nothing. */
	struct vm_saved *(*saved_too)(void *device);
	/* Its node in the device tree; NULL: it has none, or its board has no device tree. */
	void (*describe_tree)(struct machine *machine, void *device,
		const struct machine_place *place, struct machine_tree *tree);
	/* Its object in ACPI's tables, in the scope of the system's bus; NULL likewise. */
	void (*describe_acpi)(struct machine *machine, void *device,
		const struct machine_place *place, struct aml *aml);
};

/* One that was opened. */
struct machine_device {
	const struct machine_slot *slot;
	struct machine_place place;
	void *device;
};

/* Where a debugger wants vcpus to stop; a virtual address, in whatever address space. */
struct machine_point {
	enum debug_breakpoint_type type;
	uint64_t address, size; /* of a breakpoint it is gdb's `kind` */
};

/* What a debugger does with a vcpu that stands. Registers as debug/debug.h numbers them; memory by
 * virtual addresses, on one page; what returns an int: 0 or a negative errno. */
struct machine_debug_ops {
	const char *name;
	const char *thread; /* what a vcpu is called: "hart" */
	const struct debug_architecture *architecture;
	unsigned pc; /* the number of that register */
	int (*read_register)(
		struct machine *machine, unsigned index, unsigned number, uint8_t *value);
	int (*write_register)(
		struct machine *machine, unsigned index, unsigned number, const uint8_t *value);
	int (*read_memory)(
		struct machine *machine, unsigned index, uint64_t address, void *to, size_t size);
	int (*write_memory)(struct machine *machine, unsigned index, uint64_t address,
		const void *from, size_t size);
	/* By physical addresses. NULL: memory is as it is there. */
	int (*read_physical)(struct machine *machine, uint64_t address, void *to, size_t size);
	int (*write_physical)(
		struct machine *machine, uint64_t address, const void *from, size_t size);
	/* Of all vcpus; the address is one that vcpu `index` sees. -EOPNOTSUPP: there is no such
	 * type; -ENOSPC: as many as there can be are there. */
	int (*insert)(struct machine *machine, unsigned index, const struct machine_point *point);
	void (*remove)(struct machine *machine, const struct machine_point *point);
	/* The watchpoint that this one, which has met something, has met: false: none. */
	bool (*find_watchpoint)(struct machine *machine, unsigned index, struct machine_point *ret);
	/* One instruction, and VM_STOP_BREAKPOINT. Called of each vcpu before any goes on. */
	void (*set_step)(struct machine *machine, unsigned index, bool step);
	/* Memory as if nothing was inserted, for somebody else to read it; and back, or behind a
	 * reset. NULL: what is inserted is not in memory. */
	void (*hide_points)(struct machine *machine);
	void (*put_points)(struct machine *machine);
};

/* What differs between machines for different CPUs. */
struct machine_board {
	const char *name; /* "riscv64 virt" */
	const char *cpus; /* those of vcpu/models.h that it has: "riscv64" */
	const struct machine_slot *const *slots; /* NULL-ended */
	struct machine_place virtio; /* the first place for virtio... */
	unsigned nr_virtio; /* ...of so many */
	unsigned (*virtio_irq)(unsigned index);
	/* "interrupts" of a device's node; NULL: the board has no device tree. */
	void (*describe_irq)(struct machine *machine, struct machine_tree *tree, unsigned irq);
	/* So much memory (whole pages), where the board has it; the first region is where it
	 * begins. */
	int (*open_memory)(struct machine *machine, uint64_t bytes, struct error *err);
	int (*open_vcpus)(struct machine *machine, struct error *err);
	void (*close_vcpus)(struct machine *machine);
	/* Threads that it has besides those of vcpus. NULL: none. */
	int (*start_threads)(struct machine *machine, struct error *err);
	const struct machine_debug_ops *debug; /* NULL: gdb finds nothing here */
	/* Of a vcpu that stands, as JSON: the caller's. NULL: the board cannot tell. */
	json_t *(*show_registers)(struct machine *machine, unsigned index, struct error *err);
	json_t *(*show_traps)(struct machine *machine, unsigned index, struct error *err);
	json_t *(*show_walk)(
		struct machine *machine, unsigned index, uint64_t address, struct error *err);
	/* The device tree, the caller's to free. NULL: there is none. */
	int (*describe_tree)(
		struct machine *machine, void **ret, size_t *ret_bytes, struct error *err);
	/* From now on, `fd`, an eventfd, is written to when a vcpu writes `value` in 4 bytes to
	 * this memory address, instead of a device being called; until close_vcpus(), even if `fd`
	 * is closed before. NULL: not here. */
	int (*add_bell)(struct machine *machine, uint64_t address, uint32_t value, int fd);
	/* All vcpus stood for so long: for the guest, no time has passed. */
	void (*skip_time)(struct machine *machine, int64_t ns);
	/* Somebody presses the power button: the guest's system ends as it likes to. NULL: there is
	 * no button. */
	void (*press_power)(struct machine *machine);
	/* System calls (base/confine.h): to set an interrupt line, on any thread; whatever else
	 * the board does on the event loop's. NULL: none. */
	const struct confine_list *line_calls, *loop_calls[MACHINE_LOOP_LISTS_MAX];
	/* The guest has done nothing for some time: memory that only its work needs goes back to
	 * the host. false: not at this moment. NULL: there is none. */
	bool (*give_back)(struct machine *machine);
	/* All vcpus stand: no page has VM_PAGE_DIRTY when it returns, and from now on each gets it
	 * that is written, at the latest... */
	int (*note_writes)(struct machine *machine, struct error *err);
	/* ...by the time this returns. NULL: at once. */
	int (*collect_writes)(struct machine *machine, struct error *err);
	/*
	 * Translated code. forget_code(): the machine stands and has just been saved; all that is
	 * translated from here on is that of a machine that goes on from there. restore_code():
	 * take what was kept for the snapshot in the folder, whose memory has just been mapped.
	 * show_code(): counts, and on demand the places, as machine_keep_code() takes them.
	 * NULL: there is no such code.
	 */
	void (*forget_code)(struct machine *machine);
	int (*restore_code)(struct machine *machine, const char *path, int folder_fd);
	json_t *(*show_code)(struct machine *machine, bool with_places, struct error *err);
	/* What a snapshot keeps beside devices: number i, or NULL behind the last. */
	struct vm_saved *(*saved)(struct machine *machine, unsigned i);
	/* Everything in memory and in the vcpus' registers as it is at the beginning. */
	int (*load)(struct machine *machine, struct error *err);
};

enum machine_net_kind {
	MACHINE_NET_USER, /* the host's own sockets */
	MACHINE_NET_TAP,
	MACHINE_NET_CABLE,
};

/* Is there a card that leads there? */
static inline bool machine_has_net(const struct machine_config *config, enum machine_net_kind kind)
{
	for (unsigned i = 0; i < config->nr_nets; i++) {
		const struct machine_net_config *net = &config->nets[i];

		if (kind ==
			(net->tap		     ? MACHINE_NET_TAP
					: net->cable ? MACHINE_NET_CABLE
						     : MACHINE_NET_USER))
			return true;
	}
	return false;
}

extern const struct machine_board machine_board_riscv, machine_board_x86;

/* boards.c: the one for the config's architecture, or for its kernel's. */
int machine_find_board(
	const struct machine_config *config, const struct machine_board **ret, struct error *err);

struct machine_vcpu {
	struct machine *machine;
	struct vm_vcpu *vcpu;
	pthread_t thread;
	/* Guarded by the machine's lock: */
	bool is_running; /* in run(), or about to be */
	bool is_off; /* not to be run until it is started (SBI HSM) */
	bool is_held; /* the debugger lets others go on, but not this one */
	bool has_met; /* a breakpoint, or its step is done, and the debugger was not told yet */
};

/* Somebody wants all vcpus to stand: embedded in who does. */
struct machine_pause {
	/* They do; on the event loop's thread. */
	void (*quiet)(struct machine_pause *pause);
	bool is_quiet;
	struct machine_pause *next;
};

enum machine_wish {
	MACHINE_GOES_ON,
	MACHINE_IS_RESET,
	MACHINE_ENDS,
};

struct machine {
	struct machine_config config;
	const struct machine_board *board;
	void *board_data; /* its own */
	struct vm_power power;
	struct vm_memory memory;
	struct vm_bus bus, ports; /* of memory addresses; of I/O ports, where a CPU has these */
	struct vm_irqchip *irqchip; /* of devices */
	struct loop loop;
	struct console console;
	struct console *hvc; /* virtio-console.c's, or NULL */
	struct machine_device devices[MACHINE_SLOTS_MAX];
	unsigned nr_devices, nr_virtio;
	struct disk_engine *disk_engine; /* of all disks; opened with the first */

	struct machine_snapshot {
		char *folder; /* the last one, by its real path; NULL: there is none */
		char id[SNAPSHOT_ID_SIZE];
		unsigned depth;
	} base; /* of the next difference */
	struct machine_debugger *debugger; /* NULL: nobody listens */
	struct machine_monitor *monitor; /* likewise */
	struct porter *porter; /* NULL: there is nothing for it to do */
	int wake_fd; /* eventfd: the loop looks at what is below */
	struct loop_source wake;
	struct loop_source signals; /* a signalfd */
	struct machine_idle {
		struct loop_timer timer;
		int64_t used_ns; /* processor time of the vcpus when it was looked at last */
		unsigned nr_periods; /* in which they have done nothing */
	} idle;
	struct machine_pressure {
		int fds[MACHINE_PRESSURE_FILES]; /* what the host tells by; -1: not this way */
		struct loop_timer timer;
		struct pressure_state {
			uint64_t taken_bytes; /* in the balloon on account of the host */
			unsigned nr_easy; /* periods in a row that the host was not short in */
		} state;
		uint64_t asked_bytes; /* that the machine's owner wants to be in it */
		unsigned nr_at_rest; /* periods that have passed at the beginning */
	} pressure;
	sigset_t old_signals;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct machine_vcpu vcpus[VM_VCPUS_MAX];
	unsigned nr_threads; /* that were started, and are to be joined */
	enum machine_wish wish;
	struct machine_pause saving; /* all stand to be saved */
	bool is_saving;
	struct machine_pause *pauses; /* while there are any, all vcpus stand */
	int64_t stood_ns; /* since when; 0: they do not */
	struct machine_end end;
	struct error error; /* of a vcpu that could not go on */
};

/* machine.c: Ctrl-A and this letter was typed; the context is the machine. */
void machine_key_pressed(void *context, char letter);
/* Power off, from any thread; the first who says so decides the status. */
void machine_end(struct machine *machine, int status, bool was_left);

/* To config.snapshot, soon, and then go on; the event loop's thread. */
void machine_want_snapshot(struct machine *machine);

/* idle.c: from now on it is seen when the vcpus do nothing. */
void machine_watch_idle(struct machine *machine);
/* signals.c */
int machine_watch_signals(struct machine *machine, struct error *err);
void machine_leave_signals(struct machine *machine);

/* devices.c: those of the board's table, then those of virtio (virtio.h) */
int machine_open_devices(struct machine *machine, struct error *err);
void machine_reset_devices(struct machine *machine);
void machine_close_devices(struct machine *machine);

/* vcpus.c: threads, and what stops them */
/* All that a machine has, once its process has given up what it does not need (jail.h). */
int machine_start_threads(struct machine *machine, struct error *err);
void machine_join_vcpus(struct machine *machine);
/* Let one run that was off; with `lock` held. */
void machine_start_vcpu(struct machine *machine, unsigned index);
/* Let all vcpus stand, as soon as they can, and then go on, unless others want that, too. Of the
 * event loop's thread. */
void machine_pause(struct machine *machine, struct machine_pause *pause);
void machine_unpause(struct machine *machine, struct machine_pause *pause);
/* Of one that was paused: call quiet() once more, soon, while all stand as they do. */
void machine_pause_again(struct machine *machine, struct machine_pause *pause);
/* With `lock` held: all leave run(), and stay out while the wish is not MACHINE_GOES_ON. */
void machine_wish(struct machine *machine, enum machine_wish wish);

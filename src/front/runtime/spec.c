/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec.c - `spec`: a config.json to begin with, for root or for an ordinary user.
 */
#include <limits.h>

#include "base/io.h"
#include "front/runtime/runtime.h"
#include "container/container.h"

struct spec_options {
	const char *bundle;
	bool rootless;
};

static const struct option spec_table[] = {
	{ OPTION_STRING, 'b', "bundle", offsetof(struct spec_options, bundle), "DIR",
		"Write DIR/config.json (default: in the working directory)", COMPLETE_DIRECTORY },
	{ OPTION_FLAG, 0, "rootless", offsetof(struct spec_options, rootless), NULL,
		"For an ordinary user: in a user namespace, without a network of its own" },
	{ OPTION_END },
};

#define CAPABILITIES "[\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\"]"

static const char process_text[] =
	"\t\"ociVersion\": \"" CONTAINER_SPEC_VERSION "\",\n"
	"\t\"process\": {\n"
	"\t\t\"terminal\": true,\n"
	"\t\t\"user\": { \"uid\": 0, \"gid\": 0 },\n"
	"\t\t\"args\": [\"sh\"],\n"
	"\t\t\"env\": [\n"
	"\t\t\t\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\n"
	"\t\t\t\"TERM=xterm\"\n"
	"\t\t],\n"
	"\t\t\"cwd\": \"/\",\n"
	"\t\t\"capabilities\": {\n"
	"\t\t\t\"bounding\": " CAPABILITIES ",\n"
	"\t\t\t\"effective\": " CAPABILITIES ",\n"
	"\t\t\t\"permitted\": " CAPABILITIES "\n"
	"\t\t},\n"
	"\t\t\"rlimits\": [{ \"type\": \"RLIMIT_NOFILE\", \"hard\": 1024, \"soft\": 1024 }],\n"
	"\t\t\"noNewPrivileges\": true\n"
	"\t},\n"
	"\t\"root\": { \"path\": \"rootfs\", \"readonly\": true },\n"
	"\t\"hostname\": \"strata\",\n";

static const char mounts_text[] =
	"\t\"mounts\": [\n"
	"\t\t{ \"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\" },\n"
	"\t\t{ \"destination\": \"/dev\", \"type\": \"tmpfs\", \"source\": \"tmpfs\",\n"
	"\t\t  \"options\": [\"nosuid\", \"strictatime\", \"mode=755\", \"size=65536k\"] },\n"
	"\t\t{ \"destination\": \"/dev/pts\", \"type\": \"devpts\", \"source\": \"devpts\",\n"
	"\t\t  \"options\": [\"nosuid\", \"noexec\", \"newinstance\", \"ptmxmode=0666\", \"mode=0620\"%s] },\n"
	"\t\t{ \"destination\": \"/dev/shm\", \"type\": \"tmpfs\", \"source\": \"shm\",\n"
	"\t\t  \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"mode=1777\", \"size=65536k\"] },\n"
	"\t\t{ \"destination\": \"/dev/mqueue\", \"type\": \"mqueue\", \"source\": \"mqueue\",\n"
	"\t\t  \"options\": [\"nosuid\", \"noexec\", \"nodev\"] },\n"
	"%s"
	"\t],\n";

static const char root_mounts_text[] =
	"\t\t{ \"destination\": \"/sys\", \"type\": \"sysfs\", \"source\": \"sysfs\",\n"
	"\t\t  \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"ro\"] },\n"
	"\t\t{ \"destination\": \"/sys/fs/cgroup\", \"type\": \"cgroup\", \"source\": \"cgroup\",\n"
	"\t\t  \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"relatime\", \"ro\"] }\n";

/* A sysfs belongs to who owns the network namespace, which stays the host's. */
static const char rootless_mounts_text[] =
	"\t\t{ \"destination\": \"/sys\", \"type\": \"none\", \"source\": \"/sys\",\n"
	"\t\t  \"options\": [\"rbind\", \"nosuid\", \"noexec\", \"nodev\", \"ro\"] }\n";

static const char linux_text[] =
	"\t\"linux\": {\n"
	"%s"
	"\t\t\"namespaces\": [\n"
	"\t\t\t{ \"type\": \"pid\" }, { \"type\": \"ipc\" }, { \"type\": \"uts\" },\n"
	"\t\t\t{ \"type\": \"mount\" }, { \"type\": \"cgroup\" }, { \"type\": \"%s\" }\n"
	"\t\t],\n"
	"\t\t\"maskedPaths\": [\n"
	"\t\t\t\"/proc/acpi\", \"/proc/asound\", \"/proc/kcore\", \"/proc/keys\",\n"
	"\t\t\t\"/proc/latency_stats\", \"/proc/timer_list\", \"/proc/timer_stats\",\n"
	"\t\t\t\"/proc/sched_debug\", \"/proc/scsi\", \"/sys/firmware\"\n"
	"\t\t],\n"
	"\t\t\"readonlyPaths\": [\n"
	"\t\t\t\"/proc/bus\", \"/proc/fs\", \"/proc/irq\", \"/proc/sys\", \"/proc/sysrq-trigger\"\n"
	"\t\t]\n"
	"\t}\n";

static const char root_resources_text[] =
	"\t\t\"resources\": { \"devices\": [{ \"allow\": false, \"access\": \"rwm\" }] },\n";

static char *write_spec(bool rootless)
{
	struct str s = { 0 };

	str_append(&s, "{\n");
	str_append(&s, process_text);
	str_appendf(&s, mounts_text, rootless ? "" : ", \"gid=5\"",
		rootless ? rootless_mounts_text : root_mounts_text);
	if (rootless) {
		_cleanup_free_ char *maps = strf(
			"\t\t\"uidMappings\": [{ \"containerID\": 0, \"hostID\": %u, \"size\": 1 }],\n"
			"\t\t\"gidMappings\": [{ \"containerID\": 0, \"hostID\": %u, \"size\": 1 }],\n",
			geteuid(), getegid());

		str_appendf(&s, linux_text, maps ? maps : "", "user");
	} else {
		str_appendf(&s, linux_text, root_resources_text, "network");
	}
	str_append(&s, "}\n");
	return str_finish(&s);
}

static int spec_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct spec_options *o = options;
	_cleanup_free_ char *text = write_spec(o->rootless);
	_cleanup_close_ int dir = -1, fd = -1;
	int r;

	if (!text)
		return error_oom(err);
	dir = io_open_dir(AT_FDCWD, o->bundle ? o->bundle : ".");
	if (dir < 0)
		return error_errno(err, dir, "cannot open the bundle %s", o->bundle);
	/* Somebody's work is not overwritten. */
	fd = openat(dir, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return error_errno(err, errno, "cannot make config.json");
	r = io_write_full(fd, text, strlen(text));
	return r < 0 ? error_errno(err, r, "cannot write config.json") : 0;
}

const struct verb runtime_verb_spec = {
	.name = "spec",
	.usage = "[OPTIONS]",
	.summary = "Write a config.json to begin with",
	.options = spec_table,
	.options_size = sizeof(struct spec_options),
	.run = spec_main,
};

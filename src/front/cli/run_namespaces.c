/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_namespaces.c - which namespaces are its own, shared with the host or with another instance,
 * and what lives in them: host name, kernel parameters, clocks, /etc/hosts and /etc/resolv.conf.
 *
 * Without --network the instance has none, because isolation is what was asked for and connectivity
 * was not. Networks by name are the business of run_networks.c.
 */
#include "front/cli/run_machine.h"

#include <arpa/inet.h>

#include "base/io.h"
#include "container/container.h"
#include "instance/join.h"

#define HOST_FILE_MAX	(1u << 20) /* bytes of the host's /etc/hosts or resolv.conf */
#define HOST_NAME_BYTES 64 /* bytes, utsname(7) */
#define TIME_OFFSET_MAX                                                                            \
	INT64_C(4611686018) /* seconds; the kernel wants less than KTIME_MAX / 2                   \
			     */

static void share_with_host(struct run_plan *plan, enum container_namespace ns)
{
	plan->config.namespaces[ns].wanted = false;
	free(plan->config.namespaces[ns].path);
	plan->config.namespaces[ns].path = NULL;
}

/* Bind-mount the other instance's files: the two are one host to the network. */
static int share_files(struct run_plan *plan, const struct instance *other, struct error *err)
{
	static const char *const names[] = { "hosts", "resolv.conf", "hostname" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *source = strf(
			"%s/instances/%s/%s", other->roots.root, other->id, names[i]);
		_cleanup_free_ char *target = strf("/etc/%s", names[i]);

		if (!source || !target)
			return error_oom(err);
		if (access(source, F_OK) == 0)
			r = container_config_add_mount(
				&plan->config, "bind", source, target, "rbind,rprivate", err);
	}
	return r;
}

static int join_network(struct run_plan *plan, struct instance *other, struct error *err)
{
	int r = instance_load_config(other, err);

	if (r < 0)
		return r;
	if (other->config.hostname) {
		plan->config.hostname = strdup(other->config.hostname);
		if (!plan->config.hostname)
			return error_oom(err);
	}
	return share_files(plan, other, err);
}

/* container:NAME - it must run, for its namespaces live as long as its processes. */
static int join(const struct run_request *request, struct run_plan *plan,
	enum container_namespace ns, const char *name, struct error *err)
{
	const struct cli *cli = request->cli;
	const struct instance_roots roots = { cli->root, cli->run_root, cli->rootless };
	_cleanup_instance_ struct instance other = { .dir_fd = -1 };
	struct container_namespace_config *user = &plan->config.namespaces[CONTAINER_NS_USER];
	int r = instance_load(&roots, name, &other, err);

	if (r == 0)
		r = instance_join(&plan->config, ns, &other, err);
	/* An ordinary user may enter a namespace only from the user namespace that owns it. */
	if (r == 0 && cli->rootless && !user->path)
		r = instance_join(&plan->config, CONTAINER_NS_USER, &other, err);
	if (r == 0 && ns == CONTAINER_NS_NETWORK)
		r = join_network(plan, &other, err);
	return r;
}

/* MODE of --pid, --ipc, --network: "host", "container:X", or one of `own` ("a|b"), a new one. */
static int choose(const struct run_request *request, struct run_plan *plan,
	enum container_namespace ns, const char *option, const char *mode, const char *own,
	struct error *err)
{
	const char *name;

	if (!mode || !*mode)
		return 0;
	if (streq(mode, "host")) {
		share_with_host(plan, ns);
		return 0;
	}
	name = str_after_prefix(mode, "container:");
	if (name && *name)
		return join(request, plan, ns, name, err);
	for (const char *word = own; *word;) {
		size_t n = (size_t)(strchrnul(word, '|') - word);

		if (strlen(mode) == n && memcmp(mode, word, n) == 0)
			return 0;
		word += n + (word[n] == '|');
	}
	return error_set(err, EINVAL,
		"invalid argument \"%s\" for --%s: there are %s%shost and container:INSTANCE", mode,
		option, own, *own ? ", " : "");
}

static int build_user_namespace(
	const struct run_request *request, struct run_plan *plan, struct error *err)
{
	const char *mode = request->options->userns;
	bool private = mode ? streq(mode, "private") : request->cli->rootless;

	if (!private && request->cli->rootless)
		return error_set(err, EPERM,
			"--userns host needs root: an ordinary user's instance lives in a user namespace");
	if (plan->config.namespaces[CONTAINER_NS_USER].path)
		return 0; /* joined together with another one */
	plan->config.namespaces[CONTAINER_NS_USER].wanted = private;
	if (!private)
		return 0;
	/* Rights over those belong to the user namespace they were made in. */
	for (int i = 0; i < CONTAINER_NS_COUNT; i++)
		if (plan->config.namespaces[i].path)
			return error_set(err, EINVAL,
				"conflicting options: --userns private has no rights over the %s namespace of another instance",
				container_namespace_files[(enum container_namespace)i]);
	userns_maps_free(&plan->config.id_maps);
	return userns_maps_private(&plan->config.id_maps, err);
}

static int build_modes(const struct run_request *request, struct run_plan *plan, struct error *err)
{
	const struct run_options *o = request->options;
	int r;

	r = choose(request, plan, CONTAINER_NS_PID, "pid", o->pid, "private", err);
	if (r == 0)
		r = choose(
			request, plan, CONTAINER_NS_IPC, "ipc", o->ipc, "private|shareable", err);
	if (r == 0)
		r = choose(request, plan, CONTAINER_NS_NETWORK, "network", o->network, "none", err);
	if (r == 0 && !run_is_machine(o))
		r = build_user_namespace(request, plan, err);
	if (o->uts && streq(o->uts, "host"))
		share_with_host(plan, CONTAINER_NS_UTS);
	if (o->cgroupns && streq(o->cgroupns, "host"))
		share_with_host(plan, CONTAINER_NS_CGROUP);
	return r;
}

/* --- host name --- */

static bool host_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= HOST_NAME_BYTES && name[0] != '-' && name[0] != '.' &&
		name[strspn(name,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")] ==
		'\0';
}

static int build_names(const struct run_request *request, struct run_plan *plan, struct error *err)
{
	const struct run_options *o = request->options;
	bool own = plan->config.namespaces[CONTAINER_NS_UTS].wanted;
	const char *name = o->hostname;
	char host[HOST_NAME_BYTES + 1];

	if (!own && (o->hostname || o->domainname))
		return error_set(err, EINVAL,
			"conflicting options: --hostname and --domainname name a UTS namespace, and --uts host shares the host's");
	if (o->hostname && o->network && str_after_prefix(o->network, "container:"))
		return error_set(err, EINVAL,
			"conflicting options: --hostname and --network %s, which has a host name",
			o->network);
	if (o->hostname && !host_name_is_valid(o->hostname))
		return error_set(err, EINVAL, "invalid host name: \"%s\"", o->hostname);
	/* One network stack, one name in it, as Docker has it. */
	if (!name && own && o->network && streq(o->network, "host") && !run_is_machine(o)) {
		if (gethostname(host, sizeof(host)) < 0)
			return error_errno(err, errno, "cannot read the host name");
		name = host;
	}
	if (name) {
		free(plan->config.hostname);
		plan->config.hostname = strdup(name);
		if (!plan->config.hostname)
			return error_oom(err);
	}
	if (o->domainname) {
		plan->config.domainname = strdup(o->domainname);
		if (!plan->config.domainname)
			return error_oom(err);
	}
	return 0;
}

/* --- kernel parameters --- */

/* Those that belong to a namespace, and to which (runtime-spec has no list; Docker's opts and
 * runc's validator have this one). */
static const struct {
	const char *prefix;
	enum container_namespace ns;
} sysctl_namespaces[] = {
	{ "net.", CONTAINER_NS_NETWORK },
	{ "fs.mqueue.", CONTAINER_NS_IPC },
	{ "kernel.msgmax", CONTAINER_NS_IPC },
	{ "kernel.msgmnb", CONTAINER_NS_IPC },
	{ "kernel.msgmni", CONTAINER_NS_IPC },
	{ "kernel.sem", CONTAINER_NS_IPC },
	{ "kernel.shmall", CONTAINER_NS_IPC },
	{ "kernel.shmmax", CONTAINER_NS_IPC },
	{ "kernel.shmmni", CONTAINER_NS_IPC },
	{ "kernel.shm_rmid_forced", CONTAINER_NS_IPC },
};

static int check_sysctl(const struct run_plan *plan, const char *key, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(sysctl_namespaces); i++) {
		const char *prefix = sysctl_namespaces[i].prefix;
		const char *rest = str_after_prefix(key, prefix);

		if (!rest || (*rest && !str_has_suffix(prefix, ".")))
			continue;
		if (plan->config.namespaces[sysctl_namespaces[i].ns].wanted)
			return 0;
		return error_set(err, EINVAL,
			"conflicting options: --sysctl %s would change the host's own, whose %s namespace is shared",
			key, container_namespace_files[sysctl_namespaces[i].ns]);
	}
	return error_set(err, EINVAL,
		"--sysctl %s is not allowed: it belongs to no namespace and would change the host",
		key);
}

static int build_sysctls(
	const struct run_request *request, struct run_plan *plan, struct error *err)
{
	char *const *pairs = request->options->sysctls;
	size_t count = strv_length(pairs);

	if (!count)
		return 0;
	plan->config.sysctls = calloc(count, sizeof(*plan->config.sysctls));
	if (!plan->config.sysctls)
		return error_oom(err);
	strv_for_each (pair, pairs) {
		struct container_key_value *entry = &plan->config.sysctls[plan->config.nr_sysctls];
		const char *equals = strchr(*pair, '=');
		int r;

		if (!equals || equals == *pair)
			return error_set(err, EINVAL,
				"invalid argument \"%s\" for --sysctl: must be KEY=VALUE", *pair);
		entry->key = strndup(*pair, (size_t)(equals - *pair));
		entry->value = strdup(equals + 1);
		plan->config.nr_sysctls++;
		if (!entry->key || !entry->value)
			return error_oom(err);
		/* A machine's kernel is nobody else's. */
		r = run_is_machine(request->options) ? 0 : check_sysctl(plan, entry->key, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- clocks (time_namespaces(7)) --- */

static int build_time(const struct run_request *request, struct run_plan *plan, struct error *err)
{
	strv_for_each (text, request->options->time_offsets) {
		const char *value = strchrnul(*text, '=');
		size_t len = (size_t)(value - *text);
		bool negative = *value && value[1] == '-';
		uint64_t seconds = 0;
		int64_t offset;

		if (!*value || parse_u64(value + 1 + negative, TIME_OFFSET_MAX, &seconds) < 0)
			goto invalid;
		offset = negative ? -(int64_t)seconds : (int64_t)seconds;
		if (len == 9 && memcmp(*text, "monotonic", len) == 0)
			plan->config.monotonic_offset_s = offset;
		else if (len == 8 && memcmp(*text, "boottime", len) == 0)
			plan->config.boottime_offset_s = offset;
		else
			goto invalid;
		plan->config.has_time_offsets = true;
		plan->config.namespaces[CONTAINER_NS_TIME].wanted = true;
		continue;
	invalid:
		return error_set(err, EINVAL,
			"invalid argument \"%s\" for --time-offset: must be monotonic=SECONDS or boottime=SECONDS",
			*text);
	}
	return 0;
}

/* --- /etc/hosts and /etc/resolv.conf --- */

static bool is_address(const char *text)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

/* The host's own file; an absent one is an empty one. */
static int append_host_file(struct str *s, const char *path, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	int r = io_read_file(AT_FDCWD, path, HOST_FILE_MAX, &text, NULL, err);

	if (r == -ENOENT) {
		error_clear(err);
		return 0;
	}
	if (r < 0)
		return r;
	str_append(s, text);
	if (s->len && s->data[s->len - 1] != '\n')
		str_append_char(s, '\n');
	return 0;
}

static int build_hosts(
	const struct run_request *request, struct run_plan *plan, bool host, struct error *err)
{
	_cleanup_str_ struct str s = { 0 };

	if (host) {
		int r = append_host_file(&s, "/etc/hosts", err);

		if (r < 0)
			return r;
	} else {
		str_append(&s,
			"127.0.0.1\tlocalhost\n"
			"::1\tlocalhost ip6-localhost ip6-loopback\n"
			"fe00::0\tip6-localnet\n"
			"ff00::0\tip6-mcastprefix\n"
			"ff02::1\tip6-allnodes\n"
			"ff02::2\tip6-allrouters\n");
	}
	strv_for_each (entry, request->options->hosts) {
		size_t len = strcspn(*entry, ":=");
		const char *address = *entry + len + ((*entry)[len] != '\0');
		char bare[INET6_ADDRSTRLEN];

		/* An IPv6 address may stand in brackets. */
		if (*address == '[' && str_has_suffix(address, "]") &&
			strlen(address) < sizeof(bare)) {
			snprintf(bare, sizeof(bare), "%.*s", (int)strlen(address) - 2, address + 1);
			address = bare;
		}
		if (!len || !is_address(address))
			return error_set(err, EINVAL,
				"invalid argument \"%s\" for --add-host: must be NAME:IP", *entry);
		str_appendf(&s, "%s\t%.*s\n", address, (int)len, *entry);
	}
	plan->spec.hosts = str_finish(&s);
	return plan->spec.hosts ? 0 : error_oom(err);
}

static int build_resolv_conf(
	const struct run_request *request, struct run_plan *plan, bool host, struct error *err)
{
	const struct run_options *o = request->options;
	_cleanup_str_ struct str s = { 0 };

	strv_for_each (server, o->dns) {
		if (!is_address(*server))
			return error_set(err, EINVAL,
				"invalid argument \"%s\" for --dns: must be an IP address",
				*server);
		str_appendf(&s, "nameserver %s\n", *server);
	}
	/* Without a network nobody can be asked: the image's own file is as good as any. With some,
	 * their name servers come in front when it starts. */
	if (!s.len && !host && !run_named_networks(o) && !o->dns_search && !o->dns_options)
		return 0;
	str_append(&s, "");
	if (!s.len && host && run_is_machine(o)) {
		str_append(&s, "nameserver " RUN_MACHINE_NAME_SERVER "\n");
	} else if (!s.len && host) {
		int r = append_host_file(&s, "/etc/resolv.conf", err);

		if (r < 0)
			return r;
	}
	strv_for_each (domain, o->dns_search)
		str_appendf(&s, "search %s\n", *domain);
	strv_for_each (option, o->dns_options)
		str_appendf(&s, "options %s\n", *option);
	plan->spec.resolv_conf = str_finish(&s);
	return plan->spec.resolv_conf ? 0 : error_oom(err);
}

static int build_files(const struct run_request *request, struct run_plan *plan, struct error *err)
{
	const struct run_options *o = request->options;
	bool host = o->network && streq(o->network, "host");
	int r;

	if (o->network && str_after_prefix(o->network, "container:")) {
		if (o->hosts || o->dns || o->dns_search || o->dns_options)
			return error_set(err, EINVAL,
				"conflicting options: --add-host and --dns change files that --network %s shares",
				o->network);
		return 0;
	}
	r = build_hosts(request, plan, host, err);
	return r == 0 ? build_resolv_conf(request, plan, host, err) : r;
}

int run_build_namespaces(
	const struct run_request *request, struct run_plan *plan, struct error *err)
{
	int r;

	r = build_modes(request, plan, err);
	if (r == 0)
		r = build_names(request, plan, err);
	if (r == 0)
		r = build_sysctls(request, plan, err);
	if (r == 0)
		r = build_time(request, plan, err);
	return r == 0 ? build_files(request, plan, err) : r;
}

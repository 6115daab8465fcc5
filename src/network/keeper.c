/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper.c - the process that keeps one network up while instances are in it.
 *
 * What it keeps (bridge, rules, names) is a function of network.json and the files in endpoints/:
 * it reads them again whenever one comes or goes, and makes the host so. So it has nothing to
 * remember, and one that comes after one that was killed makes everything right by starting.
 *
 * Without rights on the host, the network is in this process (user-net.h): instances send a tap or
 * a cable to be plugged in.
 *
 * It ends itself when nobody has been in the network for a while, or at once when asked to, and
 * takes the host's side down. It decides that with `lock` held exclusively, so nobody is just
 * joining.
 */
#include "network/keep.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/loop.h"
#include "network/internal.h"
#include "network/user-net.h"

#define IDLE_NS	      INT64_C(5000000000) /* nobody is in it: a restart may be on its way */
#define SETTLE_NS     INT64_C(20000000) /* of changes that nobody waits for, together */
#define TAKEN_TIMEOUT INT64_C(20000000000) /* for another keeper to be up, or gone */
#define CLIENTS_MAX   64
#define REVIVE_NS     INT64_C(1000000000) /* a name server that ends is not started more often */

struct keeper;

struct client {
	struct loop_source source; /* fd -1: a free place */
	struct keeper *keeper;
};

struct keeper {
	const struct network_roots *roots;
	struct network network;
	struct names names;
	struct loop loop;
	struct loop_source listener, changes, words;
	struct loop_timer settle, idle, revive;
	struct client clients[CLIENTS_MAX];
	int lock_fd; /* `lock` */
	char *published; /* what the firewall was last told */
	struct user_net *user; /* without rights on the host: in place of all that; else NULL */
};

/* --- what is so and what should be ------------------------------------------------------------ */

/* The rules are set again only where they would be others: names change far more often. */
static int set_firewall(
	struct keeper *k, const struct network_endpoint *endpoints, size_t count, struct error *err)
{
	_cleanup_free_ char *text = firewall_text(&k->network, endpoints, count);
	int r;

	if (!text)
		return error_oom(err);
	if (streq_ptr(text, k->published))
		return 0;
	r = firewall_set(&k->network, endpoints, count, err);
	if (r < 0)
		return r;
	free(k->published);
	k->published = steal_ptr(&text);
	return 0;
}

/* Takes the list. */
static int set_host(
	struct keeper *k, struct network_endpoint *endpoints, size_t count, struct error *err)
{
	int r = names_set(&k->names, endpoints, count, err);

	if (r == 0)
		r = set_firewall(k, endpoints, count, err);
	network_endpoint_list_free(endpoints, count);
	return r;
}

static int synchronise(struct keeper *k, struct error *err)
{
	struct network_endpoint *endpoints = NULL;
	size_t count = 0;
	int r = network_endpoint_list(k->roots, k->network.name, &endpoints, &count, err);

	if (r == 0)
		r = k->user ? user_net_set(k->user, endpoints, count, err)
			    : set_host(k, endpoints, count, err);
	/* Also when something fails: a keeper whose folder somebody has removed ends. */
	if (count)
		loop_timer_cancel(&k->loop, &k->idle);
	else if (!k->idle.deadline_ns)
		loop_timer_start(&k->loop, &k->idle, IDLE_NS);
	return r;
}

static void settle_expired(struct loop_timer *timer)
{
	struct keeper *k = container_of(timer, struct keeper, settle);
	struct error err = { 0 };

	if (synchronise(k, &err) < 0)
		log_warning("network %s: %s", k->network.name, err.message);
}

static void changes_arrived(struct loop_source *source, uint32_t events)
{
	struct keeper *k = container_of(source, struct keeper, changes);
	char buf[4096];

	while (read(source->fd, buf, sizeof(buf)) > 0)
		;
	loop_timer_start(&k->loop, &k->settle, SETTLE_NS);
}

/* --- the end --------------------------------------------------------------------------------- */

/* With nobody in it; who joins meanwhile waits for the lock. */
static int try_to_end(struct keeper *k, struct error *err)
{
	int r = io_try_lock(k->lock_fd, true);

	if (r == 0 && network_is_used(k->roots, k->network.name))
		r = -EBUSY;
	if (r < 0) {
		flock(k->lock_fd, LOCK_UN);
		return error_set(err, EBUSY, "instances are in it");
	}
	/* What has come with this must not set up again what is about to be taken down. */
	loop_remove(&k->loop, &k->changes);
	loop_timer_cancel(&k->loop, &k->settle);
	loop_timer_cancel(&k->loop, &k->revive);
	loop_stop(&k->loop);
	return 0;
}

static void idle_expired(struct loop_timer *timer)
{
	struct keeper *k = container_of(timer, struct keeper, idle);

	if (try_to_end(k, NULL) < 0)
		loop_timer_start(&k->loop, &k->idle, IDLE_NS);
}

static void take_down(struct keeper *k)
{
	_cleanup_free_ char *socket = network_run_path(k->roots, k->network.name, "keeper.sock");
	_cleanup_free_ char *names = network_run_path(k->roots, k->network.name, "names");
	struct error err = { 0 };

	if (socket)
		unlink(socket);
	if (k->roots->rootless) {
		k->user = user_net_close(k->user);
		return;
	}
	names_stop(&k->names);
	docker_forget(&k->network);
	if (firewall_remove(&k->network, &err) < 0)
		log_warning("network %s: %s", k->network.name, err.message);
	network_link_delete(k->network.bridge);
	if (names)
		io_remove_tree(AT_FDCWD, names, NULL);
}

/* --- the name server ends --------------------------------------------------------------------- */

static void watch_words(struct keeper *k);

static void revive_expired(struct loop_timer *timer)
{
	struct keeper *k = container_of(timer, struct keeper, revive);
	struct error err = { 0 };

	if (names_start(&k->names, &err) < 0) {
		log_warning("network %s: %s", k->network.name, err.message);
		loop_timer_start(&k->loop, &k->revive, REVIVE_NS);
		return;
	}
	watch_words(k);
}

/* What it says goes to nobody; its end is seen here first. */
static void words_arrived(struct loop_source *source, uint32_t events)
{
	struct keeper *k = container_of(source, struct keeper, words);
	char buf[1024];
	ssize_t n = read(source->fd, buf, sizeof(buf));

	if (n > 0 || (n < 0 && errno == EAGAIN))
		return;
	loop_remove(&k->loop, source);
	names_stop(&k->names);
	loop_timer_start(&k->loop, &k->revive, REVIVE_NS);
}

static void watch_words(struct keeper *k)
{
	k->words = (struct loop_source){ .ready = words_arrived, .fd = k->names.words_fd };
	loop_add(&k->loop, &k->words, EPOLLIN);
}

/* --- clients --------------------------------------------------------------------------------- */

static void drop_client(struct client *client)
{
	loop_remove(&client->keeper->loop, &client->source);
	cleanup_close(&client->source.fd);
	client->source.fd = -1;
}

/* A word, and a descriptor if one came with it (-1). */
static ssize_t hear(int fd, char *word, size_t size, int *ret_fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = { word, size - 1 };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&message) : NULL;

	*ret_fd = -1;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(c), sizeof(*ret_fd));
	word[n > 0 ? n : 0] = '\0';
	return n;
}

/* What came first: the endpoint may be as new as this. */
static int plug(struct keeper *k, const char *id, int *fd, struct error *err)
{
	int r;

	if (!k->user || *fd < 0)
		return error_set(err, EINVAL, "nothing can be plugged in here");
	r = synchronise(k, err);
	return r == 0 ? user_net_plug(k->user, id, steal_fd(fd), err) : r;
}

/* 0: "ok". */
static int answer_word(struct keeper *k, const char *word, int *fd, struct error *err)
{
	const char *id = str_after_prefix(word, NETWORK_KEEPER_PLUG);

	if (streq(word, NETWORK_KEEPER_SYNC))
		return synchronise(k, err);
	if (streq(word, NETWORK_KEEPER_END))
		return try_to_end(k, err);
	if (id)
		return plug(k, id, fd, err);
	return error_set(err, EINVAL, "its keeper does not know the word \"%s\"", word);
}

static void client_asks(struct loop_source *source, uint32_t events)
{
	struct client *client = container_of(source, struct client, source);
	struct keeper *k = client->keeper;
	_cleanup_free_ char *counters = NULL;
	_cleanup_close_ int fd = -1;
	char word[128];
	ssize_t n = hear(source->fd, word, sizeof(word), &fd);
	struct error err = { 0 };
	const char *answer;
	int r;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		drop_client(client);
		return;
	}
	if (k->user && streq(word, NETWORK_KEEPER_COUNT)) {
		counters = user_net_counters(k->user);
		answer = counters ? counters : "{}";
	} else {
		r = answer_word(k, word, &fd, &err);
		answer = r < 0 ? err.message : "ok";
		/* Whoever asks for the end wants to see it. */
		if (r == 0 && streq(word, NETWORK_KEEPER_END))
			take_down(k);
	}
	send(source->fd, answer, strlen(answer), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void client_comes(struct loop_source *source, uint32_t events)
{
	struct keeper *k = container_of(source, struct keeper, listener);
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < CLIENTS_MAX; i++) {
		struct client *client = &k->clients[i];

		if (client->source.fd >= 0)
			continue;
		*client = (struct client){ .source = { .ready = client_asks, .fd = fd },
			.keeper = k };
		loop_add(&k->loop, &client->source, EPOLLIN);
		return;
	}
	cleanup_close(&fd);
}

/* --- the beginning --------------------------------------------------------------------------- */

static int listen_in(struct keeper *k, int folder_fd, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/keeper.sock",
		folder_fd);
	unlinkat(folder_fd, "keeper.sock", 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(fd, CLIENTS_MAX) < 0) {
		int r = error_errno(err, errno, "cannot listen in %s/networks/%s",
			k->roots->run_root, k->network.name);

		cleanup_close(&fd);
		return r;
	}
	k->listener = (struct loop_source){ .ready = client_comes, .fd = fd };
	return loop_add(&k->loop, &k->listener, EPOLLIN);
}

static int watch_endpoints(struct keeper *k, int folder_fd, struct error *err)
{
	char path[64];
	int fd;

	mkdirat(folder_fd, "endpoints", 0711);
	snprintf(path, sizeof(path), "/proc/self/fd/%d/endpoints", folder_fd);
	fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0 || inotify_add_watch(fd, path, IN_MOVED_TO | IN_DELETE) < 0)
		return error_errno(err, errno, "cannot watch the endpoints");
	k->changes = (struct loop_source){ .ready = changes_arrived, .fd = fd };
	return loop_add(&k->loop, &k->changes, EPOLLIN);
}

static int bring_up_host(struct keeper *k, struct error *err)
{
	int r = network_bridge_make(&k->network, err);

	if (r == 0)
		r = firewall_allow_forwarding(&k->network, err);
	if (r == 0)
		docker_let_pass(&k->network);
	if (r == 0)
		r = synchronise(k, err);
	if (r == 0)
		r = names_start(&k->names, err);
	if (r == 0)
		watch_words(k);
	return r;
}

/* A port that somebody else has got meanwhile is no reason to give up the others'. */
static int bring_up_user(struct keeper *k, struct error *err)
{
	struct error why = { 0 };
	int r = user_net_open(&k->loop, &k->network, &k->user, err);

	if (r == 0 && synchronise(k, &why) < 0)
		log_warning("network %s: %s", k->network.name, why.message);
	return r;
}

static int bring_up(struct keeper *k, int folder_fd, struct error *err)
{
	int r = loop_open(&k->loop, err);

	k->settle.expired = settle_expired;
	k->idle.expired = idle_expired;
	k->revive.expired = revive_expired;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		k->clients[i].source.fd = -1;
	k->lock_fd = openat(folder_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (r == 0 && k->lock_fd < 0)
		r = error_errno(err, errno, "cannot open its lock");
	/* The watch first: what comes after it is seen twice rather than never. */
	if (r == 0)
		r = watch_endpoints(k, folder_fd, err);
	if (r == 0)
		r = k->roots->rootless ? bring_up_user(k, err) : bring_up_host(k, err);
	return r == 0 ? listen_in(k, folder_fd, err) : r;
}

/* 1: it is ours now. 0: another is up. */
static int become(const struct network_roots *roots, const char *name, int folder_fd, int *ret_fd,
	struct error *err)
{
	_cleanup_close_ int fd = openat(folder_fd, "keeper", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int64_t end = clock_monotonic_ns() + TAKEN_TIMEOUT;

	if (fd < 0)
		return error_errno(
			err, errno, "cannot open %s/networks/%s/keeper", roots->run_root, name);
	for (;;) {
		int other;

		if (io_try_lock(fd, true) == 0) {
			*ret_fd = steal_fd(&fd);
			return 1;
		}
		other = network_keeper_connect(roots, name);
		if (other >= 0) {
			close(other);
			return 0;
		}
		if (clock_monotonic_ns() > end)
			return error_set(err, ETIMEDOUT, "another keeper of it is stuck");
		poll(NULL, 0, 2);
	}
}

int network_keep(const struct network_roots *roots, const char *name,
	void (*ready)(const char *why_not), struct error *err)
{
	_cleanup_free_ char *path = network_run_path(roots, name, "");
	_cleanup_close_ int folder = -1, keeper_fd = -1;
	struct keeper *k = calloc(1, sizeof(*k));
	int r;

	if (!path || !k)
		return error_oom(err);
	r = network_find(roots, name, &k->network, err);
	if (r == 0)
		r = io_make_dirs(AT_FDCWD, path, 0711, err);
	folder = r == 0 ? io_open_dir(AT_FDCWD, path) : -1;
	if (r == 0 && folder < 0)
		r = error_errno(err, folder, "cannot open %s", path);
	if (r == 0)
		r = become(roots, name, folder, &keeper_fd, err);
	if (r == 1) {
		k->roots = roots;
		k->names = (struct names){
			.roots = roots, .network = &k->network, .alive_fd = -1, .words_fd = -1
		};
		r = bring_up(k, folder, err);
		if (r == 0) {
			ready(NULL);
			r = loop_run(&k->loop);
			take_down(k);
		} else {
			take_down(k);
			ready(err->message);
		}
	} else {
		ready(r < 0 ? err->message : NULL);
	}
	network_free(&k->network);
	free(k->published);
	free(k);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs.c - the virtio-fs device: it checks chains and passes them on. What is in them, only the
 * server looks at, which sees guest memory where we do.
 *
 * At most REQUESTS_MAX requests are with the server; the others wait in their queues.
 */
#include "device/virtio/fs.h"

#include <linux/virtio_config.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "device/virtio/doorbell.h"

enum { QUEUE_HIGH, QUEUE_REQUESTS, NR_QUEUES };

#define HIGH_SIZE    64
#define QUEUE_SIZE   256 /* its chains have at most as many parts */
#define REQUESTS_MAX 64

struct fs_request {
	struct virtio_queue *queue; /* NULL: free */
	struct virtio_chain chain;
};

struct virtio_fs {
	struct virtio_device device;
	struct virtio_doorbell doorbell;
	struct virtio_fs_config config;
	struct loop *loop;
	struct share_server server;
	struct loop_source answers; /* the server's socket */
	bool is_dead; /* the server is */
	struct vm_saved saved; /* is_used, and what the server knows */
	uint8_t is_used; /* the guest has sent something since the last reset */
	struct share_message message;
	int result; /* of what was asked last that is no request */
	unsigned nr_out; /* requests that are with the server */
	struct fs_request requests[REQUESTS_MAX];
};

static_assert(SHARE_PARTS_MAX >= VIRTIO_PARTS_MAX, "every chain is a message");

static struct virtio_fs *fs_of(struct virtio_device *device)
{
	return container_of(device, struct virtio_fs, device);
}

static void server_failed(struct virtio_fs *fs)
{
	if (!fs->is_dead)
		log_warning("the server of shared folders has ended");
	fs->is_dead = true;
	loop_remove(fs->loop, &fs->answers);
	virtio_device_broken(&fs->device, "its server has ended");
	fs->nr_out = 0;
}

/* --- to the server ---------------------------------------------------------------------------- */

static struct fs_request *find_free(struct virtio_fs *fs)
{
	for (unsigned i = 0; i < REQUESTS_MAX; i++)
		if (!fs->requests[i].queue)
			return &fs->requests[i];
	return NULL;
}

/* false: it takes no more now. */
static bool send_request(struct virtio_fs *fs, struct fs_request *request)
{
	const struct virtio_chain *chain = &request->chain;
	size_t parts_bytes = (size_t)(chain->nr_out + chain->nr_in) * sizeof(struct iovec);

	fs->message.id = (uint32_t)(request - fs->requests);
	fs->message.nr_out = chain->nr_out;
	fs->message.nr_in = chain->nr_in;
	memcpy(fs->message.parts, chain->parts, parts_bytes);
	return send(fs->server.fd, &fs->message, SHARE_MESSAGE_HEAD + parts_bytes,
		       MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static void serve_queue(struct virtio_fs *fs, struct virtio_queue *queue)
{
	while (fs->nr_out < REQUESTS_MAX) {
		struct fs_request *request = find_free(fs);

		if (!virtio_queue_pop(queue, &request->chain))
			return;
		if (!send_request(fs, request)) {
			virtio_queue_unpop(queue, 1);
			/* The next answer makes room, if there is one to come. */
			if (!fs->nr_out)
				server_failed(fs);
			return;
		}
		request->queue = queue;
		fs->nr_out++;
		fs->is_used = true;
	}
}

static void fs_serve(struct virtio_device *device)
{
	struct virtio_fs *fs = fs_of(device);
	bool more = false;

	/* A new driver, who does not know yet. */
	if (fs->is_dead) {
		server_failed(fs);
		return;
	}
	for (unsigned i = 0; i < NR_QUEUES; i++) {
		serve_queue(fs, &device->queues[i]);
		more |= virtio_queue_listen(&device->queues[i], fs->nr_out < REQUESTS_MAX);
	}
	/* With something out, its answer brings us here again. */
	if (more && !fs->nr_out)
		virtio_doorbell_ring(&fs->doorbell);
}

/* --- from the server -------------------------------------------------------------------------- */

static void finish_request(struct virtio_fs *fs, const struct share_answer *answer)
{
	struct fs_request *request = &fs->requests[answer->id];
	struct virtio_queue *queue = request->queue;

	request->queue = NULL;
	fs->nr_out--;
	virtio_queue_push(queue, &request->chain, answer->written);
}

/* One answer. 0, -EAGAIN, or the server is gone. */
static int take_answer(struct virtio_fs *fs, int flags)
{
	struct share_answer answer;
	ssize_t n = recv(fs->server.fd, &answer, sizeof(answer), flags);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EAGAIN ? -EAGAIN : 0;
	if (n == sizeof(answer) && answer.id >= SHARE_RESTORE) {
		fs->result = (int)answer.written;
		return -EALREADY;
	}
	if (n != sizeof(answer) || answer.id >= REQUESTS_MAX || !fs->requests[answer.id].queue ||
		answer.written > fs->requests[answer.id].chain.in_bytes) {
		server_failed(fs);
		return -EPIPE;
	}
	finish_request(fs, &answer);
	return 0;
}

static void signal_queues(struct virtio_fs *fs)
{
	for (unsigned i = 0; i < NR_QUEUES; i++)
		virtio_queue_signal(&fs->device.queues[i]);
}

static void answers_ready(struct loop_source *source, uint32_t events)
{
	struct virtio_fs *fs = container_of(source, struct virtio_fs, answers);

	pthread_mutex_lock(&fs->device.lock);
	for (unsigned i = 0; i < REQUESTS_MAX && take_answer(fs, MSG_DONTWAIT) == 0; i++)
		;
	if (fs->device.started) {
		signal_queues(fs);
		fs_serve(&fs->device);
	}
	pthread_mutex_unlock(&fs->device.lock);
}

/* --- the device ------------------------------------------------------------------------------- */

static void fs_start(struct virtio_device *device)
{
	virtio_doorbell_ring(&fs_of(device)->doorbell);
}

static void fs_stop(struct virtio_device *device)
{
	struct virtio_fs *fs = fs_of(device);

	while (fs->nr_out && take_answer(fs, 0) >= 0)
		;
	signal_queues(fs);
}

/* SHARE_RESET and the like, and wait: 0 or an errno; nothing is with the server. */
static int tell_server(struct virtio_fs *fs, uint32_t id)
{
	int r;

	fs->message = (struct share_message){ .id = id };
	if (send(fs->server.fd, &fs->message, SHARE_MESSAGE_HEAD, MSG_NOSIGNAL) < 0)
		return EPIPE;
	do {
		r = take_answer(fs, 0);
	} while (r == 0);
	return r == -EALREADY ? fs->result : EPIPE;
}

static void fs_reset(struct virtio_device *device)
{
	struct virtio_fs *fs = fs_of(device);

	for (unsigned i = 0; i < REQUESTS_MAX; i++)
		fs->requests[i].queue = NULL;
	fs->is_used = false;
	tell_server(fs, SHARE_RESET);
}

/* On the vcpu's own thread, which saves the way through the loop: the lock is held here as it is
 * there, and nothing waits. */
static void fs_notify(struct virtio_device *device, unsigned queue)
{
	fs_serve(device);
}

static const struct virtio_device_ops fs_ops = {
	.name = "virtio-fs",
	.id = VIRTIO_ID_FS,
	.start = fs_start,
	.stop = fs_stop,
	.reset = fs_reset,
	.notify = fs_notify,
};

/* The device is stopped by now. What is not said makes restore() fail. */
static void fs_save(struct vm_saved *saved)
{
	struct virtio_fs *fs = container_of(saved, struct virtio_fs, saved);

	pthread_mutex_lock(&fs->device.lock);
	if (!fs->is_used || tell_server(fs, SHARE_SAVE) != 0)
		(void)!ftruncate(fs->server.state_fd, 0);
	pthread_mutex_unlock(&fs->device.lock);
}

static int fs_restore(struct vm_saved *saved, struct error *err)
{
	struct virtio_fs *fs = container_of(saved, struct virtio_fs, saved);
	int r = fs->is_used ? tell_server(fs, SHARE_RESTORE) : 0;

	return r ? error_errno(err, r, "what the snapshot says of shared folders cannot be") : 0;
}

static void init_device(struct virtio_fs *fs, struct vm_memory *memory, const char *tag)
{
	memcpy(fs->config.tag, tag, strlen(tag));
	fs->config.num_request_queues = 1;
	fs->device.ops = &fs_ops;
	fs->device.nr_queues = NR_QUEUES;
	fs->device.queues[QUEUE_HIGH].size_max = HIGH_SIZE;
	fs->device.queues[QUEUE_REQUESTS].size_max = QUEUE_SIZE;
	fs->device.config = &fs->config;
	fs->device.config_bytes = sizeof(fs->config);
	virtio_device_init(&fs->device, memory);
	fs->saved = (struct vm_saved){
		.name = "fs",
		.data = &fs->is_used,
		.size = sizeof(fs->is_used),
		.file_fd = &fs->server.state_fd,
		.save = fs_save,
		.restore = fs_restore,
	};
}

static int start_server(struct virtio_fs *fs, const struct vm_memory *memory,
	const struct share *shares, size_t nr, struct error *err)
{
	struct iovec kept[VM_REGIONS_MAX];

	for (unsigned i = 0; i < memory->nr_regions; i++)
		kept[i] = (struct iovec){ memory->regions[i].host, memory->regions[i].size };
	return share_server_start(shares, nr, kept, memory->nr_regions, &fs->server, err);
}

int virtio_fs_new(struct loop *loop, struct vm_memory *memory, const char *tag,
	const struct share *shares, size_t nr, struct virtio_fs **ret, struct error *err)
{
	struct virtio_fs *fs;
	int r;

	if (!*tag || strlen(tag) > VIRTIO_FS_TAG_MAX)
		return error_set(err, EINVAL, "%s cannot be the tag of shared folders", tag);
	fs = calloc(1, sizeof(*fs));
	if (!fs)
		return error_oom(err);
	fs->loop = loop;
	init_device(fs, memory, tag);
	r = start_server(fs, memory, shares, nr, err);
	if (r >= 0)
		r = virtio_doorbell_init(&fs->doorbell, loop, &fs->device, fs_serve, err);
	if (r >= 0) {
		fs->answers = (struct loop_source){ .ready = answers_ready, .fd = fs->server.fd };
		r = loop_add(loop, &fs->answers, EPOLLIN);
		if (r < 0)
			error_errno(err, r, "cannot watch the server of shared folders");
	}
	if (r < 0) {
		virtio_fs_free(fs);
		return r;
	}
	*ret = fs;
	return 0;
}

struct virtio_fs *virtio_fs_free(struct virtio_fs *fs)
{
	if (!fs)
		return NULL;
	virtio_device_destroy(&fs->device);
	loop_remove(fs->loop, &fs->answers);
	virtio_doorbell_destroy(&fs->doorbell);
	share_server_stop(&fs->server);
	free(fs);
	return NULL;
}

struct virtio_device *virtio_fs_device(struct virtio_fs *fs)
{
	return &fs->device;
}

struct vm_saved *virtio_fs_saved(struct virtio_fs *fs)
{
	return &fs->saved;
}

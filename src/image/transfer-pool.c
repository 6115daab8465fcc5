/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer-pool.c - pieces of one transfer done by several threads.
 *
 * The pool's lock guards the next index, the first failure and the progress calls. A failure
 * cancels every client, which ends the requests under way; what a thread reports after that is a
 * consequence and is dropped.
 */
#include "image/transfer-internal.h"

struct transfer_pool {
	struct registry *registry;
	transfer_work_fn work;
	void *context;
	pthread_mutex_t lock;
	size_t next, count;
	struct error failure; /* code 0 = none yet */
	struct registry_client clients[IMAGE_PARALLEL_MAX];
	size_t nr_clients;
};

struct member {
	struct transfer_pool *pool;
	struct registry_client *client;
	pthread_t thread;
};

static void keep_failure(struct transfer_pool *pool, int r, const struct error *err)
{
	pthread_mutex_lock(&pool->lock);
	if (!pool->failure.code) {
		pool->failure = *err;
		pool->failure.code = -r;
		pool->next = pool->count;
		for (size_t i = 0; i < pool->nr_clients; i++)
			http_cancel(pool->clients[i].http);
	}
	pthread_mutex_unlock(&pool->lock);
}

bool transfer_pool_cancelled(struct transfer_pool *pool)
{
	bool cancelled;

	pthread_mutex_lock(&pool->lock);
	cancelled = pool->failure.code;
	pthread_mutex_unlock(&pool->lock);
	return cancelled;
}

void transfer_pool_progress(struct transfer_pool *pool, const char *digest, const char *phase,
	uint64_t done_bytes, uint64_t total_bytes)
{
	struct image_progress *progress = pool->registry->options->progress;

	if (!progress || !progress->update)
		return;
	pthread_mutex_lock(&pool->lock);
	progress->update(progress, digest, phase, done_bytes, total_bytes);
	pthread_mutex_unlock(&pool->lock);
}

static void *member_main(void *context)
{
	struct member *member = context;
	struct transfer_pool *pool = member->pool;

	for (;;) {
		struct error err = { 0 };
		size_t i;
		int r;

		pthread_mutex_lock(&pool->lock);
		i = pool->next < pool->count ? pool->next++ : pool->count;
		pthread_mutex_unlock(&pool->lock);
		if (i == pool->count)
			return NULL;
		r = pool->work(pool, pool->context, member->client, i, &err);
		if (r < 0)
			keep_failure(pool, r, &err);
	}
}

static int run_members(struct transfer_pool *pool, struct error *err)
{
	struct member members[IMAGE_PARALLEL_MAX];
	size_t started = 0;
	int r = 0;

	for (; started < pool->nr_clients; started++) {
		members[started] = (struct member){ pool, &pool->clients[started], 0 };
		r = pthread_create(&members[started].thread, NULL, member_main, &members[started]);
		if (r)
			break;
	}
	/* Fewer threads than wished for do the same work. */
	if (!started)
		return error_errno(err, r, "cannot start a thread");
	for (size_t i = 0; i < started; i++)
		pthread_join(members[i].thread, NULL);
	if (!pool->failure.code)
		return 0;
	if (err)
		*err = pool->failure;
	return -pool->failure.code;
}

int transfer_pool_run(struct registry *registry, unsigned parallel, size_t count,
	transfer_work_fn work, void *context, struct error *err)
{
	struct transfer_pool pool = {
		.registry = registry,
		.work = work,
		.context = context,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.count = count,
	};
	size_t wanted = parallel ? parallel : IMAGE_PARALLEL_DEFAULT;
	int r = 0;

	wanted = wanted > IMAGE_PARALLEL_MAX ? IMAGE_PARALLEL_MAX : wanted;
	wanted = wanted > count ? count : wanted;
	while (r == 0 && pool.nr_clients < wanted) {
		r = registry_client_open(registry, &pool.clients[pool.nr_clients], err);
		if (r == 0)
			pool.nr_clients++;
	}
	if (r == 0 && count)
		r = run_members(&pool, err);
	for (size_t i = 0; i < pool.nr_clients; i++)
		registry_client_close(&pool.clients[i]);
	return r;
}

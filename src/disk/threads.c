/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threads.c - the engine for hosts where io_uring is forbidden: a few threads, each of which does
 * one request after the other and waits for it.
 */
#include "disk/internal.h"

#include <stdlib.h>

#define NR_THREADS 4

struct threads {
	struct disk_engine engine;
	pthread_mutex_t lock;
	pthread_cond_t arrived;
	struct request_list list;
	bool is_closing;
	pthread_t threads[NR_THREADS];
	unsigned nr_threads;
};

static struct threads *of_engine(struct disk_engine *engine)
{
	return container_of(engine, struct threads, engine);
}

static void *run(void *argument)
{
	struct threads *t = argument;

	engine_confine(&t->engine, NULL);
	pthread_mutex_lock(&t->lock);
	while (true) {
		struct disk_request *request = request_list_take(&t->list);

		if (!request && t->is_closing)
			break;
		if (!request) {
			pthread_cond_wait(&t->arrived, &t->lock);
			continue;
		}
		pthread_mutex_unlock(&t->lock);
		request->worked(request, engine_perform(request));
		pthread_mutex_lock(&t->lock);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static void threads_submit(struct disk_engine *engine, struct disk_request *request)
{
	struct threads *t = of_engine(engine);

	pthread_mutex_lock(&t->lock);
	request_list_add(&t->list, request);
	pthread_cond_signal(&t->arrived);
	pthread_mutex_unlock(&t->lock);
}

static void threads_close(struct disk_engine *engine)
{
	struct threads *t = of_engine(engine);

	pthread_mutex_lock(&t->lock);
	t->is_closing = true;
	pthread_cond_broadcast(&t->arrived);
	pthread_mutex_unlock(&t->lock);
	for (unsigned i = 0; i < t->nr_threads; i++)
		pthread_join(t->threads[i], NULL);
	pthread_cond_destroy(&t->arrived);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static int threads_start(struct disk_engine *engine, struct error *err)
{
	struct threads *t = of_engine(engine);

	for (; t->nr_threads < NR_THREADS; t->nr_threads++) {
		int r = engine_start_thread(&t->threads[t->nr_threads], run, t);

		if (r < 0)
			return error_errno(err, r, "cannot start a thread for disks");
	}
	return 0;
}

static int threads_open(struct disk_engine **ret, struct error *err)
{
	struct threads *t = calloc(1, sizeof(*t));

	if (!t)
		return error_oom(err);
	t->engine.ops = &disk_engine_threads;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->arrived, NULL);
	request_list_init(&t->list);
	*ret = &t->engine;
	return 0;
}

const struct disk_engine_ops disk_engine_threads = {
	.name = "threads",
	.open = threads_open,
	.start = threads_start,
	.submit = threads_submit,
	.close = threads_close,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * messages.c - System V semaphores, queues and shared memory, and POSIX queues.
 */
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "show.h"

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

static void nothing(int signal)
{
}

static void interrupt_in_ms(int ms)
{
	const struct sigaction action = { .sa_handler = nothing };
	const struct itimerval timer = { .it_value.tv_usec = ms * 1000 };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void semaphores(void)
{
	int id = semget(IPC_PRIVATE, 3, IPC_CREAT | 0640), child;
	unsigned short values[3] = { 5, 6, 7 };
	struct sembuf take = { 1, -6, IPC_NOWAIT }, more = { 1, -1, 0 }, undo = { 2, -3, SEM_UNDO };
	struct semid_ds status;
	struct seminfo info;
	struct timespec patience = { 0, 20000000 };
	time_t now = time(NULL);

	SHOW(semctl(id, 0, SETALL, (union semun){ .array = values }));
	SHOW(semctl(id, 0, IPC_STAT, (union semun){ .buf = &status }));
	VALUE(status.sem_nsems);
	VALUE(status.sem_otime);
	VALUE(status.sem_ctime - now >= 0 && status.sem_ctime - now < 5);
	printf("mode %o\n", status.sem_perm.mode);
	VALUE(status.sem_perm.uid == getuid() && status.sem_perm.cgid == getgid());
	SHOW(semop(id, &take, 1));
	SHOW(semop(id, &take, 1));
	SHOW(semtimedop(id, &more, 1, &patience));
	interrupt_in_ms(20);
	SHOW(semop(id, &more, 1));
	SHOW(semctl(id, 0, IPC_STAT, (union semun){ .buf = &status }));
	VALUE(status.sem_otime - now >= 0 && status.sem_otime - now < 5);
	SHOW(semctl(id, 0, GETVAL));
	SHOW(semctl(id, 1, GETVAL));
	if (fork() == 0) {
		semop(id, &undo, 1);
		_exit(semctl(id, 2, GETVAL));
	}
	wait(&child);
	VALUE(WEXITSTATUS(child));
	SHOW(semctl(id, 0, IPC_RMID));
	id = semget(IPC_PRIVATE, 1, 0600);
	status.sem_perm.mode = 0444;
	status.sem_perm.uid = getuid();
	SHOW(semctl(id, 0, IPC_SET, (union semun){ .buf = &status }));
	SHOW(semctl(id, 0, IPC_STAT, (union semun){ .buf = &status }));
	printf("mode %o\n", status.sem_perm.mode);
	SHOW(semctl(id, 0, IPC_STAT, (union semun){ .buf = (void *)16 }));
	SHOW(semctl(id, 0, SEM_INFO, (union semun){ .info = &info }) >= 0);
	VALUE(info.semvmx);
	SHOW(semctl(id, 5, GETVAL));
	SHOW(semctl(id, 0, IPC_RMID));
	SHOW(semctl(id, 0, IPC_STAT, (union semun){ .buf = &status }));
}

static void queues(void)
{
	struct {
		long type;
		char text[16];
	} message = { 3, "three" };
	struct msqid_ds status;
	int id = msgget(IPC_PRIVATE, 0600);

	SHOW(msgsnd(id, &message, 6, 0));
	message.type = 1;
	strcpy(message.text, "one");
	SHOW(msgsnd(id, &message, 4, 0));
	SHOW(msgctl(id, IPC_STAT, &status));
	VALUE(status.msg_qnum);
	VALUE(status.__msg_cbytes);
	VALUE(status.msg_lspid == getpid());
	SHOW(msgrcv(id, &message, 16, -2, 0));
	puts(message.text);
	SHOW(msgrcv(id, &message, 2, 0, 0));
	SHOW(msgrcv(id, &message, 16, 77, IPC_NOWAIT));
	SHOW(msgrcv(id, &message, 3, 0, MSG_NOERROR));
	VALUE(message.type);
	interrupt_in_ms(20);
	SHOW(msgrcv(id, &message, 16, 0, 0));
	message.type = -1;
	SHOW(msgsnd(id, &message, 4, 0));
	SHOW(msgctl(id, IPC_RMID, NULL));
	SHOW(msgsnd(id, &message, 4, 0));
}

static void memory(void)
{
	struct shmid_ds status;
	int id = shmget(IPC_PRIVATE, 12345, 0600);
	char *p = shmat(id, NULL, 0), *q;

	strcpy(p, "shared");
	q = shmat(id, NULL, SHM_RDONLY);
	puts(q);
	VALUE(p != q);
	SHOW(shmctl(id, IPC_STAT, &status));
	VALUE(status.shm_segsz);
	VALUE(status.shm_nattch);
	VALUE(status.shm_cpid == getpid());
	if (fork() == 0) {
		strcpy(p, "by a child");
		_exit(0);
	}
	wait(NULL);
	puts(q);
	SHOW(shmdt(q));
	SHOW(shmdt(q));
	SHOW(shmctl(id, IPC_RMID, NULL));
	puts(p);
	SHOW(shmdt(p));
	VALUE(shmat(id, NULL, 0) == (void *)-1);
	SHOW(shmget(IPC_PRIVATE, 0, 0600));
}

static void posix_queues(void)
{
	struct mq_attr attributes = { .mq_maxmsg = 2, .mq_msgsize = 32 }, got;
	struct timespec past = { 1, 0 };
	char name[32], text[32];
	unsigned priority;
	mqd_t queue;

	snprintf(name, sizeof(name), "/calls-%d", getpid());
	queue = mq_open(name, O_CREAT | O_RDWR, 0600, &attributes);
	if (queue < 0 && errno == ENOSYS) {
		puts("no queues");
		return;
	}
	SHOW(mq_send(queue, "low", 4, 1));
	SHOW(mq_send(queue, "high", 5, 9));
	SHOW(mq_timedsend(queue, "full", 5, 1, &past));
	SHOW(mq_getattr(queue, &got));
	VALUE(got.mq_curmsgs);
	VALUE(got.mq_msgsize);
	SHOW(mq_receive(queue, text, sizeof(text), &priority));
	puts(text);
	VALUE(priority);
	SHOW(mq_receive(queue, text, 5, &priority));
	SHOW(mq_receive(queue, text, sizeof(text), &priority));
	interrupt_in_ms(20);
	SHOW(mq_receive(queue, text, sizeof(text), &priority));
	SHOW(mq_unlink(name));
	SHOW(mq_unlink(name));
}

int main(void)
{
	semaphores();
	queues();
	memory();
	posix_queues();
	return 0;
}

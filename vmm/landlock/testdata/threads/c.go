//go:build cgo

package main

/*
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_int restricted, tried, wrong;
static const char *allowed, *refused;
static int pipe0;

static void try(void) {
	int fd = open(allowed, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		wrong++;
	else
		close(fd);
	if (open(refused, O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
		wrong++;
	tried++;
}

static void *reads(void *arg) {
	char c;
	while (read(pipe0, &c, 1) < 0 && errno == EINTR)
		;
	try();
	return NULL;
}

static void *computes(void *arg) {
	while (!restricted)
		;
	try();
	return NULL;
}

// As far as libc lets it.
static void *blocks_signals(void *arg) {
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	return computes(arg);
}

static void *child(void *arg) {
	if (restricted)
		try();
	return NULL;
}

// Among those that it starts are some that live on.
static void *starts_threads(void *arg) {
	pthread_t t;
	for (int i = 0; !restricted; i++) {
		if (pthread_create(&t, NULL, i < 3 ? reads : child, NULL))
			abort();
		if (i < 3)
			pthread_detach(t);
		else
			pthread_join(t, NULL);
	}
	if (pthread_create(&t, NULL, child, NULL))
		abort();
	pthread_join(t, NULL);
	try();
	return NULL;
}

static void *(*lives[])(void *) = {reads, computes, blocks_signals, starts_threads};
static pthread_t threads[4];

static void start(char *a, char *r, int fd) {
	allowed = a, refused = r, pipe0 = fd;
	for (int i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, lives[i], NULL))
			abort();
}

static void stop(int *t, int *w) {
	restricted = 1;
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	while (tried < 8) // with the three that starts_threads left, and its last one
		usleep(1000);
	*t = tried, *w = wrong;
}
*/
import "C"

// startOthers starts threads of C.
func startOthers() { C.start(C.CString(allowed), C.CString(refused), C.int(pipe[0])) }

// waitOthers waits for their tries.
func waitOthers() {
	var t, w C.int
	C.stop(&t, &w)
	if w != 0 {
		fail("%d of the tries of %d threads of C were wrong", w, t)
	}
	tried.Add(int32(t))
}

// Robust, priority-inheriting and shared mutexes, cancellation, thread keys, barriers, spawning and execve with threads.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>
#include <signal.h>
#include <sys/wait.h>
#include <sys/mman.h>
#include <time.h>
#include <semaphore.h>
#include <spawn.h>
extern char **environ;
static pthread_mutex_t rm, pm;
static pthread_cond_t cv;
static __thread int tls = 5;
static pthread_key_t key;
static void *dies(void*a) {
  pthread_mutex_lock(&rm);
  return 0;
}
static void dtor(void*p) {
  printf("dtor %s\n", (char*)p);
}
static void *keyed(void*a) {
  pthread_setspecific(key,"value");
  tls = 7;
  return (void*)(long)tls;
}
static void *canceled(void*a) {
  pthread_cleanup_push(dtor,"cleanup");
  for (;;) pause();
  pthread_cleanup_pop(0);
  return 0;
}
static volatile int got;
static pthread_t who;
static void hand(int s) {
  got = pthread_equal(pthread_self(), who);
}
static volatile int woken;
static void *sleeper(void*a) {
  struct timespec t={5, 0};
  int r = nanosleep(&t, 0);
  printf("sleeper %d %s\n", r, strerror(errno));
  woken = 1;
  return 0;
}
// A signal that comes before the sleep has begun does not end it: send until one does.
static void wake(pthread_t t) {
  for (woken = 0; !woken; usleep(5000)) pthread_kill(t, SIGUSR1);
}
static pthread_barrier_t bar;
static int total;
static void *barrier(void*a) {
  for (int i = 0;i < 50;i++) {
    __sync_fetch_and_add(&total, 1);
    pthread_barrier_wait(&bar);
  }
  return 0;
}
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static long shared;
static void *rww(void*a) {
  for (int i = 0;i < 2000;i++) {
    if (i%4 == 0) {
      pthread_rwlock_wrlock(&rw);
      shared++;
      pthread_rwlock_unlock(&rw);
    } else {
      pthread_rwlock_rdlock(&rw);
      if (shared < 0) abort();
      pthread_rwlock_unlock(&rw);
    }
  }
  return 0;
}
static char self[4096];
int main(int c, char **v) {
  readlink("/proc/self/exe", self, sizeof self - 1);
  setvbuf(stdout, 0, _IONBF, 0);
  pthread_t t;
  void*r;
  if (c > 1) {
    printf("exec'd %s pid==tid\n", v[1]);
    return 4;
  }
  pthread_mutexattr_t a;
  pthread_mutexattr_init(&a);
  pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&rm, &a);
  pthread_create(&t, 0, dies, 0);
  pthread_join(t, 0);
  int e = pthread_mutex_lock(&rm);
  printf("robust %s\n", strerror(e));
  pthread_mutex_consistent(&rm);
  pthread_mutex_unlock(&rm);
  printf("again %d\n", pthread_mutex_lock(&rm));
  pthread_mutexattr_init(&a);
  pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
  e = pthread_mutex_init(&pm, &a);
  printf("pi init %d lock %d", e, pthread_mutex_lock(&pm));
  printf(" try %s unlock %d\n", strerror(pthread_mutex_trylock(&pm)), pthread_mutex_unlock(&pm));
  struct timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  ts.tv_nsec += 20000000;
  if (ts.tv_nsec >= 1000000000) {
    ts.tv_sec++;
    ts.tv_nsec -= 1000000000;
  }
  pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&m);
  pthread_cond_init(&cv, 0);
  printf("timedwait %s\n", strerror(pthread_cond_timedwait(&cv, &m, &ts)));
  pthread_key_create(&key, dtor);
  pthread_create(&t, 0, keyed, 0);
  pthread_join(t, &r);
  printf("tls %ld %d\n", (long)r, tls);
  pthread_create(&t, 0, canceled, 0);
  usleep(5000);
  pthread_cancel(t);
  pthread_join(t, &r);
  printf("canceled %d\n", r == PTHREAD_CANCELED);
  struct sigaction sa={0};
  sa.sa_handler = hand;
  sigaction(SIGUSR1, &sa, 0);
  pthread_create(&t, 0, sleeper, 0);
  who = t;
  wake(t);
  pthread_join(t, 0);
  printf("got %d\n", got);
  pthread_barrier_init(&bar, 0, 6);
  pthread_t ths[8];
  for (int i = 0;i < 6;i++) pthread_create(&ths[i], 0, barrier, 0);
  for (int i = 0;i < 6;i++) pthread_join(ths[i], 0);
  printf("total %d\n", total);
  for (int i = 0;i < 4;i++) pthread_create(&ths[i], 0, rww, 0);
  for (int i = 0;i < 4;i++) pthread_join(ths[i], 0);
  printf("shared %ld\n", shared);
  struct S {
    sem_t s;
    pthread_mutex_t m;
    pthread_cond_t c;
    int n;
  } *S = mmap(0, 4096, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0);
  sem_init(&S->s, 1, 0);
  pthread_mutexattr_init(&a);
  pthread_mutexattr_setpshared(&a, 1);
  pthread_mutex_init(&S->m, &a);
  pthread_condattr_t ca;
  pthread_condattr_init(&ca);
  pthread_condattr_setpshared(&ca, 1);
  pthread_cond_init(&S->c, &ca);
  for (int i = 0;i < 3;i++) if (!fork()) {
    for (int k = 0;k < 200;k++) {
      pthread_mutex_lock(&S->m);
      S->n++;
      pthread_cond_signal(&S->c);
      pthread_mutex_unlock(&S->m);
    }
    sem_post(&S->s);
    _exit(0);
  }
  pthread_mutex_lock(&S->m);
  while (S->n < 600) pthread_cond_wait(&S->c, &S->m);
  pthread_mutex_unlock(&S->m);
  for (int i = 0;i < 3;i++) sem_wait(&S->s);
  while (wait(0) > 0);
  printf("pshared %d\n", S->n);
  pid_t p;
  char*args[]={v[0],"spawned", 0};
  e = posix_spawn(&p,"/proc/self/exe", 0, 0, args, environ);
  if (e) e = posix_spawn(&p, self, 0, 0, args, environ);
  int st;
  waitpid(p, &st, 0);
  printf("spawn %d %d\n", e, WEXITSTATUS(st));
  p = fork();
  if (!p) {
    pthread_create(&t, 0, (void*(*)(void*))pause, 0);
    pthread_create(&t, 0, keyed, 0);
    pthread_join(t, 0);
    char*x[]={v[0],"from threads", 0};
    execv(self, x);
    _exit(1);
  }
  waitpid(p, &st, 0);
  printf("exec %d\n", WEXITSTATUS(st));
  p = fork();
  if (!p) {
    pthread_create(&t, 0, (void*(*)(void*))pause, 0);
    usleep(1000);
    exit(6);
  }
  waitpid(p, &st, 0);
  printf("exit_group %d\n", WEXITSTATUS(st));
  pthread_create(&t, 0, sleeper, 0);
  wake(t);
  pthread_exit(0);
}

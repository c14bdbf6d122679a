// Eight threads, a bounded queue with a mutex and condition variables, a barrier, thread-local storage, a once, a rwlock.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { threads = 8, items = 4000, room = 16 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER, emptied = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_rwlock_t guard = PTHREAD_RWLOCK_INITIALIZER;
static int queue[room], head, count, produced, shared;
static long consumed;
static atomic_int turns;
static __thread int mine;

static void first(void) { printf("once\n"); }

static void *producer(void *unused) {
  (void)unused;
  pthread_once(&once, first);
  pthread_barrier_wait(&barrier);
  for (;;) {
    pthread_mutex_lock(&lock);
    while (count == room) pthread_cond_wait(&emptied, &lock);
    if (produced == items) {
      pthread_mutex_unlock(&lock);
      return NULL;
    }
    queue[(head + count++) % room] = ++produced;
    pthread_cond_signal(&filled);
    pthread_mutex_unlock(&lock);
    atomic_fetch_add(&turns, 1);
  }
}

static void *consumer(void *result) {
  pthread_barrier_wait(&barrier);
  for (;;) {
    pthread_mutex_lock(&lock);
    while (count == 0 && consumed < (long)items * (items + 1) / 2 && produced < items) pthread_cond_wait(&filled, &lock);
    if (count == 0) {
      pthread_cond_broadcast(&filled);
      pthread_mutex_unlock(&lock);
      *(int *)result = mine;
      return result;
    }
    consumed += queue[head];
    head = (head + 1) % room;
    count--;
    mine++;
    pthread_cond_broadcast(&emptied);
    if (produced == items) pthread_cond_broadcast(&filled);
    pthread_mutex_unlock(&lock);
    pthread_rwlock_wrlock(&guard);
    shared++;
    pthread_rwlock_unlock(&guard);
  }
}

int main(void) {
  pthread_t thread[threads];
  int taken[threads] = {0}, sum = 0;
  pthread_barrier_init(&barrier, NULL, threads);
  for (int i = 0; i < threads; i++) pthread_create(&thread[i], NULL, i % 2 ? consumer : producer, &taken[i]);
  for (int i = 0; i < threads; i++) {
    void *result;
    pthread_join(thread[i], &result);
    if (result) sum += *(int *)result;
  }
  printf("consumed %ld in %d takes, %d turns, shared %d, mine %d\n", consumed, sum, atomic_load(&turns), shared, mine);
  return 0;
}

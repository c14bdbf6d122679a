// A chained hash table of heap nodes: inserts, look-ups and removals that follow pointers.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct node {
  struct node *next;
  uint64_t key, value;
};

enum { buckets = 1 << 17 };
static struct node *table[buckets];

static unsigned slot(uint64_t key) { return (unsigned)(key * 0x9e3779b97f4a7c15u >> 47); }

static struct node *find(uint64_t key) {
  for (struct node *at = table[slot(key)]; at; at = at->next)
    if (at->key == key) return at;
  return NULL;
}

int main(void) {
  uint64_t state = 12345, sum = 0;
  unsigned inserted = 0, removed = 0;
  for (unsigned i = 0; i < 20000000; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    uint64_t key = state >> 46;
    struct node *node = find(key);
    if (!node) {
      node = malloc(sizeof *node);
      *node = (struct node){table[slot(key)], key, i};
      table[slot(key)] = node;
      inserted++;
    } else if ((state >> 20 & 7) == 0) {
      struct node **link = &table[slot(key)];
      while (*link != node) link = &(*link)->next;
      *link = node->next;
      free(node);
      removed++;
    } else {
      sum += node->value ^ i;
      node->value++;
    }
  }
  printf("hashtable %u %u %016llx\n", inserted, removed, (unsigned long long)sum);
  return 0;
}

// SPDX-License-Identifier: GPL-2.0
/* How long does it take to find out why, of a process with so many sites?  Prints ms of each. */
#include "user/base/memory.h"
#include "user/explain/finding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SITES 100000
#define DEPTH 24
#define CODE 4096 /* frames that differ */
#define PAGE 4096

static ProtobufCBinaryData bytes_of(const char *text)
{
	return (ProtobufCBinaryData){ .len = strlen(text), .data = (uint8_t *)text };
}

static void add_code(Mt__Capture *capture)
{
	static char names[CODE][16];

	capture->frames = memory_new(CODE, sizeof(*capture->frames));
	for (capture->n_frames = 0; capture->n_frames < CODE; capture->n_frames++) {
		Mt__Frame *frame = memory_new(1, sizeof(*frame));

		mt__frame__init(frame);
		snprintf(names[capture->n_frames], sizeof(names[0]), "f%zu", capture->n_frames);
		frame->has_function = frame->has_module = frame->has_file = frame->has_line = 1;
		frame->function = bytes_of(names[capture->n_frames]);
		frame->module = bytes_of(capture->n_frames % 3 ? "/opt/server" :
								 "/usr/lib/libc.so.6");
		frame->file = bytes_of("server.c");
		frame->line = capture->n_frames;
		capture->frames[capture->n_frames] = frame;
	}
}

/* As programs are: the outer half of the stacks differs little. */
static void add_site(Mt__Capture *capture, Mt__Process *process, size_t i)
{
	Mt__Stack *stack = memory_new(1, sizeof(*stack));
	Mt__Site *site = memory_new(1, sizeof(*site));

	mt__stack__init(stack);
	mt__site__init(site);
	stack->n_frame = DEPTH;
	stack->frame = memory_new(DEPTH, sizeof(*stack->frame));
	for (size_t at = 0; at < DEPTH; at++)
		stack->frame[at] = at > DEPTH / 2 ? at : (i * 2654435761U >> at % 7) % CODE;
	capture->stacks[i] = stack;
	site->stack = i;
	site->touched_bytes = site->resident_bytes = (int64_t)(i % 997 + 1) * PAGE;
	process->sites[i] = site;
}

static void fill(Mt__Capture *capture, Mt__Process *process)
{
	static Mt__Host host = MT__HOST__INIT;
	static Mt__Losses losses = MT__LOSSES__INIT;
	static Mt__Overhead overhead = MT__OVERHEAD__INIT;
	static Mt__Balances none = MT__BALANCES__INIT;
	static Mt__Process *processes[1];
	static int64_t zeroes[BALANCE_COUNT];

	none.bytes = zeroes;
	none.n_bytes = BALANCE_COUNT;
	capture->host = &host;
	capture->losses = &losses;
	capture->overhead = &overhead;
	capture->stacks = memory_new(SITES, sizeof(*capture->stacks));
	capture->n_stacks = process->n_sites = SITES;
	process->sites = memory_new(SITES, sizeof(*process->sites));
	process->opening = &none;
	process->peak_bytes = 1 << 30;
	processes[0] = process;
	capture->processes = processes;
	capture->n_processes = 1;
	add_code(capture);
	for (size_t i = 0; i < SITES; i++)
		add_site(capture, process, i);
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int main(int count, char **words)
{
	Mt__Capture capture = MT__CAPTURE__INIT;
	Mt__Process process = MT__PROCESS__INIT;
	int rounds = count > 1 ? atoi(words[1]) : 1;
	struct model model;

	fill(&capture, &process);
	model_build(&model, &capture);
	while (rounds-- > 0) {
		struct findings findings;
		double start = now_ms();

		findings_build(&findings, &model, &model.processes[0]);
		printf("%.1f\n", now_ms() - start);
		findings_free(&findings);
	}
	model_free(&model);
	return 0;
}

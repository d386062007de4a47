/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* wire same: tells whether the packets that were sent arrived, byte for byte. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include "wire.h"

/* Missing packets looked at for a changed twin, and the bytes that may differ in it. */
#define CHANGED_MAX 1000
#define CHANGED_BYTES 16

struct same_config {
	bool ignore_order;
};

struct frame {
	uint8_t *bytes;
	uint32_t len;
	uint32_t index;
	bool matched;
};

struct frames {
	struct frame *list;
	size_t n, room;
	int link;
};

struct same_result {
	unsigned long same, missing, changed, extra, duplicated, reordered;
};

#define FIELD(name) offsetof(struct same_config, name)
static const struct option_spec same_options[] = {
	{ "--ignore-order", OPT_FLAG, FIELD(ignore_order), 0, 0 },
	{ 0 },
};

static int append(struct frames *frames, const uint8_t *data, uint32_t len)
{
	struct frame *bigger;

	if (frames->n == frames->room) {
		frames->room = frames->room ? frames->room * 2 : 1024;
		bigger = reallocarray(frames->list, frames->room, sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		frames->list = bigger;
	}
	frames->list[frames->n] = (struct frame){ .bytes = malloc(len ? len : 1), .len = len };
	if (!frames->list[frames->n].bytes)
		return -ENOMEM;
	memcpy(frames->list[frames->n].bytes, data, len);
	frames->list[frames->n].index = (uint32_t)frames->n;
	frames->n++;
	return 0;
}

static int read_packets(pcap_t *pcap, const char *file, struct frames *frames)
{
	struct pcap_pkthdr *header;
	const u_char *data;
	int more;

	frames->link = pcap_datalink(pcap);
	while ((more = pcap_next_ex(pcap, &header, &data)) == 1) {
		if (header->caplen != header->len) {
			complain("%s: packet %zu was cut to %u of %u bytes; use a larger --snaplen",
				 file, frames->n + 1, header->caplen, header->len);
			return -EINVAL;
		}
		if (append(frames, data, header->caplen)) {
			complain("out of memory");
			return -ENOMEM;
		}
	}
	if (more != -1)
		return 0;
	complain("%s: %s", file, pcap_geterr(pcap));
	return -EIO;
}

static int read_file(const char *file, struct frames *frames)
{
	char text[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline(file, text);
	int err;

	if (!pcap) {
		complain("%s", text);
		return -EIO;
	}
	err = read_packets(pcap, file, frames);
	pcap_close(pcap);
	return err;
}

static int compare_bytes(const struct frame *a, const struct frame *b)
{
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->bytes, b->bytes, a->len);
}

/* By bytes, then by the order in the file, so that equal ones are matched in order. */
static int compare(const void *left, const void *right)
{
	const struct frame *a = left, *b = right;
	int order = compare_bytes(a, b);

	return order ? order : a->index < b->index ? -1 : 1;
}

/* Walks both sorted lists; one match per packet sent, and the rest of equal bytes are duplicates.
 * positions[] gets, per packet sent, where it arrived. */
static void match(struct frames *sent, struct frames *got, int64_t *positions,
		  struct same_result *result)
{
	size_t s = 0, g = 0;
	int order;

	while (s < sent->n && g < got->n) {
		order = compare_bytes(&sent->list[s], &got->list[g]);
		if (order == 0) {
			sent->list[s].matched = got->list[g].matched = true;
			positions[sent->list[s].index] = got->list[g].index;
			result->same++;
			s++;
			g++;
		} else if (order < 0) {
			s++;
		} else {
			if (s && compare_bytes(&sent->list[s - 1], &got->list[g]) == 0)
				result->duplicated++;
			g++;
		}
	}
	for (; s && g < got->n; g++)
		if (compare_bytes(&sent->list[s - 1], &got->list[g]) == 0)
			result->duplicated++;
}

static void count_order(const int64_t *positions, size_t n, struct same_result *result)
{
	int64_t last = -1;
	size_t i;

	for (i = 0; i < n; i++) {
		if (positions[i] < 0)
			continue;
		if (positions[i] < last)
			result->reordered++;
		else
			last = positions[i];
	}
}

static unsigned int difference(const struct frame *a, const struct frame *b, uint32_t *first)
{
	unsigned int n = 0;
	uint32_t i;

	for (i = 0; i < a->len && n <= CHANGED_BYTES; i++) {
		if (a->bytes[i] == b->bytes[i])
			continue;
		if (!n++)
			*first = i;
	}
	return n;
}

/* The unmatched packet of the same length that differs least. */
static struct frame *nearest(struct frames *got, const struct frame *frame, uint32_t *first)
{
	unsigned int least = CHANGED_BYTES + 1, n;
	struct frame *best = NULL;
	uint32_t where = 0;
	size_t i;

	for (i = 0; i < got->n; i++) {
		if (got->list[i].matched || got->list[i].len != frame->len)
			continue;
		n = difference(frame, &got->list[i], &where);
		if (n >= least)
			continue;
		least = n;
		best = &got->list[i];
		*first = where;
	}
	return best;
}

static void explain_missing(struct frames *sent, struct frames *got, struct same_result *result)
{
	uint32_t where = 0;
	struct frame *twin;
	size_t i;

	for (i = 0; i < sent->n; i++) {
		if (sent->list[i].matched)
			continue;
		twin = result->changed + result->missing < CHANGED_MAX
			       ? nearest(got, &sent->list[i], &where)
			       : NULL;
		if (!twin) {
			result->missing++;
			continue;
		}
		twin->matched = true;
		if (!result->changed++)
			complain("packet %u sent, %u received: byte %u is 0x%02x, was 0x%02x",
				 sent->list[i].index + 1, twin->index + 1, where,
				 twin->bytes[where], sent->list[i].bytes[where]);
	}
	for (i = 0; i < got->n; i++)
		result->extra += !got->list[i].matched;
	result->extra -= result->duplicated;
}

static int compare_files(struct frames *sent, struct frames *got, struct same_result *result)
{
	int64_t *positions = malloc((sent->n + 1) * sizeof(*positions));
	size_t i;

	if (!positions) {
		complain("out of memory");
		return -ENOMEM;
	}
	for (i = 0; i < sent->n; i++)
		positions[i] = -1;
	qsort(sent->list, sent->n, sizeof(*sent->list), compare);
	qsort(got->list, got->n, sizeof(*got->list), compare);
	match(sent, got, positions, result);
	count_order(positions, sent->n, result);
	explain_missing(sent, got, result);
	free(positions);
	return 0;
}

static void free_frames(struct frames *frames)
{
	size_t i;

	for (i = 0; i < frames->n; i++)
		free(frames->list[i].bytes);
	free(frames->list);
}

static int check(const char *const files[2], struct frames frames[2], struct same_result *result)
{
	if (read_file(files[0], &frames[0]) || read_file(files[1], &frames[1]))
		return -EIO;
	if (frames[0].link != frames[1].link) {
		complain("the two files hold different kinds of packets");
		return -EINVAL;
	}
	if (!frames[0].n || !frames[1].n) {
		complain("%s has no packets", frames[0].n ? files[1] : files[0]);
		return -EINVAL;
	}
	return compare_files(&frames[0], &frames[1], result);
}

static int run(int argc, char **argv)
{
	struct same_config cfg = { 0 };
	struct frames frames[2] = { 0 };
	struct same_result r = { 0 };
	const char *files[2];
	int err = options_parse(&same_command, argc, argv, &cfg, files);

	if (err)
		return exit_usage(err);
	err = check(files, frames, &r);
	if (!err)
		printf("{\"sent\":%zu,\"same\":%lu,\"missing\":%lu,\"changed\":%lu,"
		       "\"duplicated\":%lu,\"extra\":%lu,\"reordered\":%lu}\n",
		       frames[0].n, r.same, r.missing, r.changed, r.duplicated, r.extra,
		       r.reordered);
	free_frames(&frames[0]);
	free_frames(&frames[1]);
	if (err || r.missing || r.changed || r.duplicated)
		return EXIT_FAILED;
	return r.reordered && !cfg.ignore_order ? EXIT_FAILED : 0;
}

const struct command same_command = {
	"same", "FILE_SENT FILE_RECEIVED [--ignore-order]", same_options, 2, run,
};

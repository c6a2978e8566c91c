// SPDX-License-Identifier: GPL-2.0
/*
 * What does libdwfl call an address?  `dwfl FILE` reads addresses from standard input and says of
 * each the offset in the function that covers it (-: none does), and the line that it is on.
 */
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_build_id_find_elf,
	.find_debuginfo = dwfl_standard_find_debuginfo,
	.section_address = dwfl_offline_section_address,
};

static void print_symbol(Dwfl_Module *module, GElf_Addr address)
{
	GElf_Off offset = 0;
	GElf_Sym symbol;
	const char *name = dwfl_module_addrinfo(module, address, &offset, &symbol, NULL, NULL,
						NULL);
	bool function = name && (GELF_ST_TYPE(symbol.st_info) == STT_FUNC ||
				 GELF_ST_TYPE(symbol.st_info) == STT_GNU_IFUNC);

	if (function && offset < symbol.st_size)
		printf("%" PRIx64, offset);
	else
		putchar('-');
}

static void print_line(Dwfl_Module *module, GElf_Addr address)
{
	Dwfl_Line *line = dwfl_module_getsrc(module, address);
	int number = 0;
	const char *file = line ? dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL) : NULL;
	const char *base = file ? strrchr(file, '/') : NULL;

	printf("\t%s:%d\n", base ? base + 1 : file ? file : "?", number);
}

int main(int count, char **words)
{
	Dwfl *dwfl = dwfl_begin(&callbacks);
	Dwfl_Module *module;
	GElf_Addr bias = 0, address;

	if (count < 2)
		return 2;
	dwfl_report_begin(dwfl);
	module = dwfl_report_elf(dwfl, words[1], words[1], -1, 0, false);
	dwfl_report_end(dwfl, NULL, NULL);
	if (!module || !dwfl_module_getelf(module, &bias))
		return 1;
	while (scanf("%" SCNx64, &address) == 1) {
		print_symbol(module, address + bias);
		print_line(module, address + bias);
	}
	dwfl_end(dwfl);
	return 0;
}

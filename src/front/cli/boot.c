/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot.c - `boot`: what the systemd units call when the machine, or the user's session, comes up.
 */
#include <stdio.h>

#include "base/log.h"
#include "front/cli/cli.h"
#include "front/cli/verbs.h"
#include "instance/instance.h"

/* The instances run: now is the time to sync what was unpacked in this boot. A failure leaves
 * doubt about the layers, which `image verify` tells. */
static void settle(const struct cli *cli)
{
	const char *argv[] = { cli->program, "--root", cli->root, "__settle", NULL };
	struct error why = { 0 };
	int r = cli_run_helper("strata-image", argv, &why);

	if (r < 0 && r != CLI_ALREADY_SAID)
		log_warning("%s", why.message);
}

static int boot_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct instance_roots roots = { cli->root, cli->run_root, cli->rootless };
	_cleanup_strv_ char **started = NULL;
	int r = instance_boot(&roots, &started, err);

	/* What could be started was, even when something else could not. */
	strv_for_each (name, started)
		printf("%s\n", *name);
	settle(cli);
	return r;
}

const struct verb verb_boot = {
	.name = "boot",
	.group = "System",
	.usage = "",
	.summary = "Start the instances whose restart policy asks for it",
	.help = "Starts instances with --restart always, and those with --restart unless-stopped that\n"
		"were not stopped by hand. Prints their names. Installed systemd units call it:\n"
		"  systemctl enable strata-boot.service\n"
		"  systemctl --user enable strata-boot.service && loginctl enable-linger",
	.run = boot_main,
};

/* What is set becomes settings, and is checked as a whole.
 *
 * layer   config, internal
 */
#ifndef HF_CONFIG_MERGE_H
#define HF_CONFIG_MERGE_H

#include "server/config/layers.h"

/* false: layers->error says what is wrong. */
bool merge_layers(const struct layers *layers, struct settings *settings);

#endif

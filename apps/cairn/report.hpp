// What transfers and syncs came to, for people and for scripts. Main thread.
#pragma once

#include <string>

#include "apps/cairn/context.hpp"
#include "client/sync.hpp"
#include "client/transfer.hpp"

namespace cairn::apps {

/// Shows `report` of the transfer of `path` to `target`; `verb` is "stored" or "fetched". Answers the exit code.
int show_report(Context& context, const client::Report& report, const std::string& verb, const std::string& path,
                const std::string& target);

/// Shows what one run of a sync did. Answers the exit code.
int show_report(Context& context, const client::SyncReport& report);

/// "120 of 340 files, 1.2 GB of 3.4 GB, 93.1 MB/s"
std::string progress_words(const client::Progress& progress);

}  // namespace cairn::apps

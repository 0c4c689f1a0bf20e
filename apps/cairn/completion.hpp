// Completion scripts for shells, made from the command line's own tree of commands and options, so that they
// cannot fall behind it. Pure functions, any thread.
#pragma once

#include <CLI/App.hpp>
#include <string>

namespace cairn::apps {

std::string bash_completion(const CLI::App& app);
std::string zsh_completion(const CLI::App& app);
std::string fish_completion(const CLI::App& app);

}  // namespace cairn::apps

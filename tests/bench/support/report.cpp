#include "tests/bench/support/report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace cairn::bench {
namespace {

// {"clients":256,"layer":"rpc"} as "clients=256  layer=rpc", without lists.
std::string for_people(const Conditions& conditions) {
  std::string out;
  for (const auto& [key, value] : conditions.items()) {
    if (value.is_array()) continue;
    if (!out.empty()) out += "  ";
    out += key + "=" + (value.is_string() ? value.get<std::string>() : value.dump());
  }
  return out;
}

std::string digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, std::abs(value) >= 1'000 ? "%.0f" : "%.4g", value);
  return text;
}

}  // namespace

double rounded(double value) {
  if (value == 0 || !std::isfinite(value)) return 0;
  const auto scale = std::pow(10.0, 3 - std::floor(std::log10(std::abs(value))));
  return std::round(value * scale) / scale;
}

std::vector<double> rounded(std::vector<double> values) {
  for (auto& value : values) value = rounded(value);
  return values;
}

void Report::add(const std::string& metric, double value, const std::string& unit, Conditions conditions) {
  rows_.push_back({metric, digits(value), unit, for_people(conditions)});
  Conditions line;
  line["bench"] = bench_;
  line["metric"] = metric;
  line["value"] = rounded(value);
  line["unit"] = unit;
  line["conditions"] = std::move(conditions);
  std::printf("%s\n", line.dump().c_str());
  std::fflush(stdout);
}

void Report::note(const std::string& text) { std::fprintf(stderr, "  %s\n", text.c_str()); }

Report::~Report() {
  std::size_t metric = 0, value = 0, unit = 0;
  for (const auto& row : rows_) {
    metric = std::max(metric, row.metric.size());
    value = std::max(value, row.value.size());
    unit = std::max(unit, row.unit.size());
  }
  std::fprintf(stderr, "\n");
  for (const auto& row : rows_)
    std::fprintf(stderr, "%-*s  %*s %-*s  %s\n", static_cast<int>(metric), row.metric.c_str(), static_cast<int>(value),
                 row.value.c_str(), static_cast<int>(unit), row.unit.c_str(), row.conditions.c_str());
}

}  // namespace cairn::bench

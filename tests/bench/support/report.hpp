// The figures of a benchmark: each a JSON object on a line of standard output at once, and all of them
// as a table for people on standard error at the end. One thread.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace cairn::bench {

/// What a figure was measured under, in the order in which it is to be read.
using Conditions = nlohmann::ordered_json;

class Report {
 public:
  explicit Report(std::string bench) : bench_(std::move(bench)) {}
  ~Report();
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;

  void add(const std::string& metric, double value, const std::string& unit,
           Conditions conditions = Conditions::object());
  /// A line for people only.
  void note(const std::string& text);

 private:
  struct Row {
    std::string metric;
    std::string value;
    std::string unit;
    std::string conditions;
  };
  std::string bench_;
  std::vector<Row> rows_;
};

/// Four significant digits.
double rounded(double value);
std::vector<double> rounded(std::vector<double> values);

}  // namespace cairn::bench

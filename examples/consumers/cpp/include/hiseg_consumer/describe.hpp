// Copyright 2026 The hiseg_ros developers
// SPDX-License-Identifier: Apache-2.0
//
// Output of the example for a message: replace it by your own processing.

#ifndef HISEG_CONSUMER__DESCRIBE_HPP_
#define HISEG_CONSUMER__DESCRIBE_HPP_

#include <cstdint>
#include <cstdio>
#include <map>
#include <numeric>
#include <string>

#include "hiseg_consumer/decode.hpp"
#include "hiseg_ros/msg/probability_map.hpp"
#include "hiseg_ros/msg/subclass_masks.hpp"

namespace hiseg_consumer
{

/// Names by node id, from the latched ~/taxonomy with the digest of the message.
using Names = std::map<std::uint16_t, std::string>;

inline std::string name_of(const Names & names, std::uint16_t node_id)
{
  const auto found = names.find(node_id);
  return found == names.end() ? "node " + std::to_string(node_id) : found->second;
}

/// Prints the mean probability of each class, and where in the image it is highest.
inline void describe(const hiseg_ros::msg::ProbabilityMap & message, const Names & names)
{
  const Probabilities probabilities(message);
  for (std::size_t channel = 0; channel < message.node_ids.size(); ++channel) {
    double sum = 0.0;
    float highest = -1.0F;
    std::size_t best_row = 0, best_column = 0;
    for (std::size_t row = 0; row < message.height; ++row) {
      for (std::size_t column = 0; column < message.width; ++column) {
        const float value = probabilities.at(channel, row, column);
        sum += value;
        if (value > highest) {
          highest = value;
          best_row = row;
          best_column = column;
        }
      }
    }
    std::printf(
      "%s: mean %.4f, highest %.4f at row %.1f, column %.1f\n",
      name_of(names, message.node_ids[channel]).c_str(),
      sum / (static_cast<double>(message.height) * message.width), static_cast<double>(highest),
      probabilities.image_row(best_row), probabilities.image_column(best_column));
  }
}

/// Prints type, vote, box and pixels of each sign.
inline void describe(const hiseg_ros::msg::SubclassMasks & message, const Names & names)
{
  for (const auto & sign : message.masks) {
    const auto mask = decode_mask(sign);
    std::printf(
      "%s: vote %.3f, box %u x %u at row %u, column %u, %u pixels\n",
      name_of(names, sign.node_id).c_str(), static_cast<double>(sign.score), sign.roi.height,
      sign.roi.width, sign.roi.y_offset, sign.roi.x_offset,
      std::accumulate(mask.begin(), mask.end(), 0U));
  }
}

}  // namespace hiseg_consumer

#endif  // HISEG_CONSUMER__DESCRIBE_HPP_

// Copyright 2026 The hiseg_ros developers
// SPDX-License-Identifier: Apache-2.0
//
// Prints the results that the node /segmentation publishes:
//   ros2 run hiseg_consumer read_results --ros-args -r segmentation/traffic_signs:=...

#include <exception>
#include <memory>
#include <string>

#include "hiseg_consumer/describe.hpp"
#include "hiseg_ros/msg/taxonomy.hpp"
#include "rclcpp/rclcpp.hpp"

class ReadResults : public rclcpp::Node
{
public:
  ReadResults()
  : Node("read_results")
  {
    using hiseg_ros::msg::ProbabilityMap;
    using hiseg_ros::msg::SubclassMasks;
    using hiseg_ros::msg::Taxonomy;
    // Latched: it arrives even if it was published before this node started.
    taxonomy_ = create_subscription<Taxonomy>(
      "segmentation/taxonomy", rclcpp::QoS(1).reliable().transient_local(),
      [this](Taxonomy::ConstSharedPtr message) {
        names_.clear();
        digest_ = message->digest;
        for (const auto & node : message->nodes) {
          names_[node.id] = node.name;
        }
      });
    // The node computes only what is subscribed to: leave out what you do not need.
    probabilities_ = create_subscription<ProbabilityMap>(
      "segmentation/level_1/probabilities", rclcpp::QoS(1),
      [this](ProbabilityMap::ConstSharedPtr message) {read(*message);});
    signs_ = create_subscription<SubclassMasks>(
      "segmentation/traffic_signs", rclcpp::QoS(1),
      [this](SubclassMasks::ConstSharedPtr message) {read(*message);});
  }

private:
  template<class Message>
  void read(const Message & message)
  {
    // Node ids of another taxonomy have other meanings.
    if (message.taxonomy_digest != digest_) {
      return;
    }
    try {
      hiseg_consumer::describe(message, names_);
      std::fflush(stdout);
    } catch (const std::exception & error) {
      RCLCPP_WARN(get_logger(), "skipped a message: %s", error.what());
    }
  }

  std::string digest_;
  hiseg_consumer::Names names_;
  rclcpp::Subscription<hiseg_ros::msg::Taxonomy>::SharedPtr taxonomy_;
  rclcpp::Subscription<hiseg_ros::msg::ProbabilityMap>::SharedPtr probabilities_;
  rclcpp::Subscription<hiseg_ros::msg::SubclassMasks>::SharedPtr signs_;
};

int main(int argc, char ** argv)
{
  rclcpp::init(argc, argv);
  rclcpp::spin(std::make_shared<ReadResults>());
  rclcpp::shutdown();
  return 0;
}
